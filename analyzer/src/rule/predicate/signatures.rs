//! The functions that expressions may call.

/// How a function is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `f(a)`.
    Before,
    /// `a.f()`.
    Behind,
    /// Either.
    Both,
}

/// A function.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    form: Form,
    /// Least and most arguments; what stands before the dot is one.
    arguments: (usize, usize),
    /// Whether it gives true or false.
    pub(super) is_test: bool,
    pub(super) example: &'static str,
}

impl Signature {
    /// Whether it may be called so.
    pub(super) fn fits(&self, is_behind: bool, arguments: usize) -> bool {
        let form = if is_behind {
            Form::Behind
        } else {
            Form::Before
        };
        let (least, most) = self.arguments;
        (self.form == Form::Both || self.form == form) && (least..=most).contains(&arguments)
    }
}

const fn value(name: &'static str, form: Form, most: usize, example: &'static str) -> Signature {
    Signature {
        name,
        form,
        arguments: (1, most),
        is_test: false,
        example,
    }
}

const fn test(name: &'static str, form: Form, example: &'static str) -> Signature {
    Signature {
        name,
        form,
        arguments: (2, 2),
        is_test: true,
        example,
    }
}

/// All but the loops and `has`, which the parser takes away.
pub(super) const SIGNATURES: [Signature; 27] = [
    test("atLeast", Form::Both, "atLeast(row.version, 'edge-24.1.1')"),
    test("contains", Form::Behind, "row.text.contains('part')"),
    test("endsWith", Form::Behind, "row.text.endsWith('end')"),
    test("matches", Form::Both, "row.text.matches('regex')"),
    test("startsWith", Form::Behind, "row.text.startsWith('start')"),
    Signature {
        is_test: false,
        ..test(
            "compareVersions",
            Form::Both,
            "compareVersions(row.version, 'v2.300.0') < 0",
        )
    },
    Signature {
        is_test: true,
        ..value("bool", Form::Before, 1, "bool(row.text)")
    },
    value("size", Form::Both, 1, "size(row.list) > 0"),
    value("quantity", Form::Both, 1, "quantity(row.memory) > 1e8"),
    value("timestamp", Form::Before, 1, "timestamp(row.time) < at"),
    value("duration", Form::Before, 1, "at + duration('10m')"),
    value("string", Form::Before, 1, "string(row.number)"),
    value("int", Form::Before, 1, "int(row.text)"),
    value("uint", Form::Before, 1, "uint(row.text)"),
    value("double", Form::Before, 1, "double(row.text)"),
    value("bytes", Form::Before, 1, "bytes(row.text)"),
    value("type", Form::Before, 1, "type(row.field) == string"),
    value("dyn", Form::Before, 1, "dyn(row.field)"),
    value("getFullYear", Form::Behind, 2, "at.getFullYear()"),
    value("getMonth", Form::Behind, 2, "at.getMonth()"),
    value("getDate", Form::Behind, 2, "at.getDate()"),
    value("getDayOfMonth", Form::Behind, 2, "at.getDayOfMonth()"),
    value("getDayOfWeek", Form::Behind, 2, "at.getDayOfWeek()"),
    value("getDayOfYear", Form::Behind, 2, "at.getDayOfYear()"),
    value("getHours", Form::Behind, 2, "at.getHours()"),
    value("getMinutes", Form::Behind, 2, "at.getMinutes()"),
    value("getSeconds", Form::Behind, 2, "at.getSeconds()"),
];

/// Loops and `has`, which remain as calls only if they are written in another way than this.
pub(super) const MACROS: [(&str, &str); 6] = [
    ("has", "has(row.field)"),
    ("exists", "row.list.exists(x, x == 'a')"),
    ("all", "row.list.all(x, x != 'a')"),
    ("exists_one", "row.list.exists_one(x, x == 'a')"),
    ("filter", "row.list.filter(x, x != 'a').size() > 1"),
    ("map", "row.list.map(x, x.name)"),
];

/// What functions of other languages are called here.
pub(super) const ELSEWHERE: [(&str, &str); 8] = [
    ("len", "size(row.list)"),
    ("length", "size(row.list)"),
    ("count", "size(row.list)"),
    ("any", "row.list.exists(x, x == 'a')"),
    ("some", "row.list.exists(x, x == 'a')"),
    ("every", "row.list.all(x, x != 'a')"),
    ("includes", "'a' in row.list"),
    ("now", "at"),
];
