//! Names that are nearly those that exist.

use std::collections::BTreeSet;

use super::predicate::listed;

/// How alike two names must be, from 0 to 1.
const LEAST_ALIKE: f64 = 0.6;

/// Most names that are shown.
const MOST: usize = 3;

/// What to write for a name that is not known: the known names that it is like, or all if it is like none.
pub(crate) fn hint<S: AsRef<str>>(name: &str, known: &[S]) -> String {
    match did_you_mean(name, known) {
        near if near.is_empty() => format!("; there are {}", listed(known)),
        near => near,
    }
}

/// `; did you mean …?` with the known names that a name is like; empty if it is like none.
pub(crate) fn did_you_mean<S: AsRef<str>>(name: &str, known: &[S]) -> String {
    let mut alike = alike(name, known);
    alike.truncate(MOST);
    let quoted: Vec<String> = alike.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(" or ")),
    }
}

/// The known name that a name is most like, if it is like any.
pub(crate) fn nearest<'k, S: AsRef<str>>(name: &str, known: &'k [S]) -> Option<&'k str> {
    alike(name, known).first().copied()
}

/// The known names that a name is like, the most like it first.
fn alike<'k, S: AsRef<str>>(name: &str, known: &'k [S]) -> Vec<&'k str> {
    let known = known.iter().map(AsRef::as_ref);
    let known = known.map(|known| (likeness(name, known), known));
    let mut alike: Vec<(f64, &str)> = known.filter(|(alike, _)| *alike >= LEAST_ALIKE).collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    alike.into_iter().map(|(_, name)| name).collect()
}

/// By letters, or by the words that both have, whatever their order.
fn likeness(a: &str, b: &str) -> f64 {
    let words = |name: &str| -> BTreeSet<String> {
        name.split(['-', '_']).map(str::to_lowercase).collect()
    };
    let (of_a, of_b) = (words(a), words(b));
    let shared = of_a.intersection(&of_b).count();
    let most = of_a.len().max(of_b.len());
    let by_letters = strsim::normalized_damerau_levenshtein(&a.to_lowercase(), &b.to_lowercase());
    if shared * 2 > most {
        by_letters.max(LEAST_ALIKE)
    } else {
        by_letters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_letters_and_of_the_order_of_words_are_near() {
        let known = ["issuer-expired", "startsWith", "row"];
        for (name, told) in [
            ("expired-issuer", "; did you mean `issuer-expired`?"),
            ("issuer-expird", "; did you mean `issuer-expired`?"),
            ("startswith", "; did you mean `startsWith`?"),
            ("rwo", "; did you mean `row`?"),
            ("certificate", ""),
        ] {
            assert_eq!(did_you_mean(name, &known), told, "{name}");
        }
    }
}
