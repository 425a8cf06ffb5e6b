//! Whether the rules that an API server tells allow something.

use serde_json::Value;

use super::needs::Need;

/// Whether rules of a `SelfSubjectRulesReview` allow what is needed.
pub(crate) fn allows(rules: &[Value], need: &Need) -> bool {
    let Some(verb) = need.verbs.first() else {
        return true;
    };
    rules.iter().any(|rule| {
        holds(rule, "verbs", verb)
            && holds(rule, "apiGroups", need.group)
            && need.resources.iter().all(|r| covers(rule, r))
            && covers_names(rule, need)
    })
}

fn texts<'a>(rule: &'a Value, field: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let values = rule.get(field).and_then(Value::as_array);
    values.into_iter().flatten().filter_map(Value::as_str)
}

fn holds(rule: &Value, field: &str, wanted: &str) -> bool {
    texts(rule, field).any(|own| own == "*" || own == wanted)
}

/// Whether a rule speaks of a resource. All of a group is needed only as far as the group has
/// kinds, so a rule that names some of them counts.
fn covers(rule: &Value, resource: &str) -> bool {
    let subresource = resource.split_once('/').map(|(_, sub)| format!("*/{sub}"));
    resource == "*"
        || holds(rule, "resources", resource)
        || subresource.is_some_and(|sub| texts(rule, "resources").any(|own| own == sub))
}

fn covers_names(rule: &Value, need: &Need) -> bool {
    let is_limited = texts(rule, "resourceNames").next().is_some();
    let named = |name: &str| texts(rule, "resourceNames").any(|own| own == name);
    !is_limited || (!need.names.is_empty() && need.names.iter().all(|n| named(n)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::needs::Place;
    use super::*;

    fn need(resource: &'static str, names: &[&'static str]) -> Need {
        Need {
            group: "",
            resources: vec![resource],
            verbs: &["get", "create"],
            names: names.to_vec(),
            place: Place::Namespaces,
            missing: "x",
        }
    }

    #[test]
    fn a_rule_allows_what_it_names_and_what_its_stars_cover() {
        let rule = |verb: &str, resource: &str| {
            vec![json!({"verbs": [verb], "apiGroups": [""], "resources": [resource]})]
        };
        assert!(allows(&rule("get", "pods/log"), &need("pods/log", &[])));
        assert!(allows(&rule("*", "*/log"), &need("pods/log", &[])));
        assert!(allows(&rule("get", "*"), &need("pods/log", &[])));
        assert!(!allows(&rule("create", "pods/log"), &need("pods/log", &[])));
        assert!(!allows(&rule("get", "pods"), &need("pods/log", &[])));
        assert!(!allows(&[], &need("pods", &[])));
    }

    #[test]
    fn a_rule_for_some_names_allows_those_names_alone() {
        let rules = [
            json!({"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"],
            "resourceNames": ["a", "b"]}),
        ];
        assert!(allows(&rules, &need("configmaps", &["a"])));
        assert!(!allows(&rules, &need("configmaps", &["a", "c"])));
        assert!(!allows(&rules, &need("configmaps", &[])));
    }
}
