//! Finds where two answers differ.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// One place where the replay answers differently.
#[derive(Debug)]
pub(crate) struct Difference {
    /// The recorded answer's name.
    pub(crate) answer: String,
    /// `status`, `header ...`, or a JSON pointer into the body.
    pub(crate) place: String,
    real: Value,
    ours: Value,
}

impl Difference {
    pub(crate) fn new(answer: &str, place: &str, real: Value, ours: Value) -> Self {
        Self {
            answer: answer.to_owned(),
            place: place.to_owned(),
            real,
            ours,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |value: &Value| -> String { value.to_string().chars().take(160).collect() };
        write!(
            f,
            "{} at {}: real {}, ours {}",
            self.answer,
            self.place,
            short(&self.real),
            short(&self.ours)
        )
    }
}

/// Adds every difference between two bodies.
pub(crate) fn compare(answer: &str, real: &Value, ours: &Value, out: &mut Vec<Difference>) {
    let mut comparison = Comparison { answer, out };
    if real["kind"] == "Table" && ours["kind"] == "Table" {
        comparison.tables(real, ours);
    } else {
        comparison.values("", real, ours);
    }
}

struct Comparison<'a> {
    answer: &'a str,
    out: &'a mut Vec<Difference>,
}

impl Comparison<'_> {
    fn differs(&mut self, place: &str, real: &Value, ours: &Value) {
        let (real, ours) = (real.clone(), ours.clone());
        self.out
            .push(Difference::new(self.answer, place, real, ours));
    }

    fn values(&mut self, place: &str, real: &Value, ours: &Value) {
        match (real, ours) {
            (Value::Object(a), Value::Object(b)) => {
                let more = b.keys().filter(|k| !a.contains_key(*k));
                for key in a.keys().chain(more) {
                    let step = key.replace('~', "~0").replace('/', "~1");
                    let place = format!("{place}/{step}");
                    let none = Value::Null;
                    match (a.get(key), b.get(key)) {
                        (Some(real), Some(ours)) => self.values(&place, real, ours),
                        (real, ours) => {
                            self.differs(&place, real.unwrap_or(&none), ours.unwrap_or(&none));
                        }
                    }
                }
            }
            (Value::Array(a), Value::Array(b)) if named(a).is_some() && named(b).is_some() => {
                self.named_lists(place, &named(a).unwrap(), &named(b).unwrap());
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                for (number, (real, ours)) in a.iter().zip(b).enumerate() {
                    self.values(&format!("{place}/{number}"), real, ours);
                }
            }
            (Value::Array(a), Value::Array(b)) => {
                let count = |list: &[Value]| Value::from(list.len());
                self.differs(&format!("{place}/length"), &count(a), &count(b));
            }
            _ if real != ours => self.differs(place, real, ours),
            _ => {}
        }
    }

    /// Lists whose elements have names: the elements by their names, then the order.
    fn named_lists(&mut self, place: &str, real: &Named<'_>, ours: &Named<'_>) {
        let find = |list: &Named<'_>, name: &str| -> Value {
            let found = list.iter().find(|(own, _)| *own == name);
            found.map_or(Value::Null, |(_, element)| (*element).clone())
        };
        let more = ours
            .iter()
            .filter(|(name, _)| !real.iter().any(|(n, _)| n == name));
        for (name, _) in real.iter().chain(more) {
            let step = name.replace('~', "~0").replace('/', "~1");
            self.values(
                &format!("{place}/{step}"),
                &find(real, name),
                &find(ours, name),
            );
        }
        let both: Vec<&str> = real.iter().map(|(name, _)| *name).collect();
        let both = both.iter().filter(|n| ours.iter().any(|(o, _)| o == *n));
        let shared = ours
            .iter()
            .map(|(name, _)| name)
            .filter(|n| real.iter().any(|(r, _)| r == *n));
        let (both, shared): (Vec<_>, Vec<_>) = (both.copied().collect(), shared.copied().collect());
        if both != shared {
            self.differs(&format!("{place}/order"), &both.into(), &shared.into());
        }
    }

    /// Tables: cells of ages are compared as what they tell, since the real server told them some
    /// seconds after the recording.
    fn tables(&mut self, real: &Value, ours: &Value) {
        let ages: Vec<bool> = real["columnDefinitions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| {
                let name = c["name"].as_str().unwrap();
                matches!(name, "Age" | "Last Seen" | "First Seen" | "Last Schedule")
            })
            .collect();
        let (mut real, mut ours) = (real.clone(), ours.clone());
        let rows = |table: &mut Value| match table["rows"].take() {
            Value::Array(rows) => rows,
            _ => Vec::new(),
        };
        let (mut real_rows, mut our_rows) = (rows(&mut real), rows(&mut ours));
        self.values("", &real, &ours);
        let both = real_rows.iter_mut().zip(&mut our_rows);
        for (real, ours) in both {
            for (number, _) in ages.iter().enumerate().filter(|(_, is_age)| **is_age) {
                let (real, ours) = (&mut real["cells"][number], &mut ours["cells"][number]);
                if let (Some(told), Some(replayed)) = (age(real), age(ours))
                    && is_told_later(told, replayed)
                {
                    *ours = real.clone();
                }
            }
        }
        self.values("/rows", &real_rows.into(), &our_rows.into());
    }
}

type Named<'a> = Vec<(&'a str, &'a Value)>;

/// The elements of a list with their names, if all have one of their own.
fn named(list: &[Value]) -> Option<Named<'_>> {
    let fields = ["name", "resource", "subresource", "groupVersion"];
    let named = list.iter().map(|element| {
        let name = fields.iter().find_map(|f| element.get(*f)?.as_str())?;
        Some((name, element))
    });
    let named: Named<'_> = named.collect::<Option<_>>()?;
    let names: BTreeSet<&str> = named.iter().map(|(name, _)| *name).collect();
    (names.len() == list.len() && !list.is_empty()).then_some(named)
}

/// How long after the end of the recording the real server was asked, in seconds.
const ASKED_LATER: (i64, i64) = (-1, 45);

/// Whether an age may be the other one, told up to [`ASKED_LATER`] seconds afterwards.
fn is_told_later(told: (i64, i64), replayed: (i64, i64)) -> bool {
    told.1 - replayed.0 >= ASKED_LATER.0 && told.0 - replayed.1 <= ASKED_LATER.1
}

/// The least and the greatest number of seconds that an age such as `2m24s` stands for.
fn age(cell: &Value) -> Option<(i64, i64)> {
    let mut total = 0;
    let mut step = 0;
    let mut digits = String::new();
    for letter in cell.as_str()?.chars() {
        step = match letter {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'y' => 365 * 86_400,
            digit if digit.is_ascii_digit() => {
                digits.push(digit);
                continue;
            }
            _ => return None,
        };
        total += step * digits.parse::<i64>().ok()?;
        digits.clear();
    }
    (step > 0).then_some((total, total + step - 1))
}

#[test]
fn ages_are_compared_as_what_they_tell() {
    let age = |text: &str| age(&Value::from(text));
    assert_eq!(age("2m24s"), Some((144, 144)));
    assert_eq!(age("36m"), Some((2160, 2219)));
    assert_eq!(age("<unknown>"), None);
    assert!(is_told_later((170, 170), (144, 144)));
    assert!(!is_told_later((140, 140), (144, 144)));
}
