//! Compiles conditions.

use jiff::SignedDuration;

use super::fault::Faulty;
use super::file::ConditionFile;
use super::near::hint;
use super::spanned::{At, Spot};
use super::{Condition, Matcher, NamedMatcher};

/// Compiles a rule's condition; all matchers if there is none.
pub(super) fn condition(
    file: Option<&At<ConditionFile>>,
    names: &[String],
    matchers: &[NamedMatcher],
    faulty: &mut Faulty<'_>,
) -> Condition {
    let Some(file) = file else {
        return Condition::All((0..names.len()).map(Condition::Matcher).collect());
    };
    let condition = Compiler { names, faulty }.compile(file);
    let (mut positive, mut negative) = (Vec::new(), Vec::new());
    condition.matchers(&mut positive, &mut negative);
    let unused = names
        .iter()
        .enumerate()
        .filter(|(n, _)| !positive.contains(n) && !negative.contains(n));
    for (_, name) in unused {
        faulty.add(
            file.place,
            format!("the matcher `{name}` is not used; add it or take it out"),
        );
    }
    if positive.is_empty() && !names.is_empty() {
        let detail =
            "nothing gives evidence: a condition of `not` alone; add a matcher, or use `absent`";
        faulty.add(file.place, detail);
    }
    let is_timed = |n: &usize| {
        matches!(
            matchers.get(*n).map(|m| &m.matcher),
            Some(Matcher::NoLine { .. } | Matcher::NoRow { .. })
        )
    };
    if let Condition::Count { of, .. } = &condition
        && is_timed(of)
    {
        faulty.add(file.place, "what is absent cannot be counted");
    }
    condition
}

struct Compiler<'a, 'f> {
    names: &'a [String],
    faulty: &'a mut Faulty<'f>,
}

impl Compiler<'_, '_> {
    fn compile(&mut self, at: &At<ConditionFile>) -> Condition {
        match &at.value {
            ConditionFile::Matcher(name) => Condition::Matcher(self.number(name, at.place)),
            ConditionFile::All(parts) => Condition::All(self.parts(parts, at.place)),
            ConditionFile::Any(parts) => Condition::Any(self.parts(parts, at.place)),
            ConditionFile::Not(part) => Condition::Not(Box::new(self.compile(part))),
            ConditionFile::Count(count) => Condition::Count {
                of: self.number(&count.of.value, count.of.place),
                over: count.over,
                within: duration(count.within.as_ref(), self.faulty),
            },
            ConditionFile::Sequence(sequence) => {
                let (then, is_absent) = match (&sequence.then, &sequence.not_then) {
                    (Some(then), None) => (then, false),
                    (None, Some(then)) => (then, true),
                    _ => {
                        self.faulty
                            .add(at.place, "a `sequence` has either `then` or `not-then`");
                        (&sequence.first, false)
                    }
                };
                Condition::Sequence {
                    first: self.number(&sequence.first.value, sequence.first.place),
                    then: self.number(&then.value, then.place),
                    is_absent,
                    within: duration(sequence.within.as_ref(), self.faulty),
                }
            }
        }
    }

    fn parts(&mut self, parts: &[At<ConditionFile>], place: Spot) -> Vec<Condition> {
        if parts.is_empty() {
            self.faulty
                .add(place, "an empty list; name at least one matcher");
        }
        parts.iter().map(|part| self.compile(part)).collect()
    }

    fn number(&mut self, name: &str, place: Spot) -> usize {
        let found = self.names.iter().position(|n| n == name);
        found.unwrap_or_else(|| {
            self.faulty.add(
                place,
                format!("no matcher `{name}`{}", hint(name, self.names)),
            );
            0
        })
    }
}

/// Reads a duration such as `2m` or `1h30m`.
pub(super) fn duration(at: Option<&At<String>>, faulty: &mut Faulty<'_>) -> Option<SignedDuration> {
    let at = at?;
    let parsed = at
        .value
        .parse::<SignedDuration>()
        .ok()
        .filter(SignedDuration::is_positive);
    let wrong = || {
        format!(
            "`{}` is no duration; write one as `2m`, `90s` or `1h30m`",
            at.value
        )
    };
    faulty.check(at.place, parsed.ok_or_else(wrong))
}
