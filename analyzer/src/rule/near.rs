//! Names that are nearly those that exist.

use std::collections::BTreeSet;

/// How alike two names must be, from 0 to 1.
const LEAST_ALIKE: f64 = 0.6;

/// Most names that are shown.
const MOST: usize = 3;

/// `; did you mean …?` with the known names that a name that is not known is like; empty if it is like none.
pub(crate) fn did_you_mean<S: AsRef<str>>(name: &str, known: &[S]) -> String {
    let known = known
        .iter()
        .map(|known| (likeness(name, known.as_ref()), known.as_ref()));
    let mut alike: Vec<(f64, &str)> = known
        .filter(|(likeness, _)| *likeness >= LEAST_ALIKE)
        .collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    alike.truncate(MOST);
    let quoted: Vec<String> = alike.iter().map(|(_, name)| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(" or ")),
    }
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
