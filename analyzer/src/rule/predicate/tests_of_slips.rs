//! What is said of expressions that are wrong, and where.

use super::Predicate;
use super::signatures::{ELSEWHERE, MACROS, SIGNATURES, Signature};

/// Each expression, with where it is wrong (`^` before it) and a part of what is said.
const SLIPS: [(&str, &str); 43] = [
    ("row.ready ^= false", "`=` is not CEL; write `==`"),
    ("row.ready ^:= false", "`:=` is not CEL; write `==`"),
    ("row.n ==^= 1", "`===` is not CEL; write `==`"),
    ("row.n <^> 1", "`<>` is not CEL; write `!=`"),
    ("row.a ^and row.b", "`and` is not CEL; write `&&`"),
    ("row.a ^OR row.b", "`OR` is not CEL; write `||`"),
    ("not ^row.a", "`not` is not CEL; write `!`"),
    ("row.a && not ^row.b", "`not` is not CEL; write `!`"),
    ("row.a ^not in ['x']", "write `!(a in b)`"),
    ("row.a ^& row.b", "`&` is not CEL; write `&&`"),
    ("row.a ^| row.b", "`|` is not CEL; write `||`"),
    ("row.a ^is null", "`is` is not CEL; write `==`"),
    ("row.a ^=~ 'x.*'", "write `row.field.matches('regex')`"),
    (
        "row.a ^startswith 'x'",
        "write `row.field.startsWith('text')`",
    ),
    ("row.a == ^'x", "close it with `'`"),
    ("row.a == ^‘x", "write `'` around a text"),
    ("^(row.a && row.b", "`(` is not closed; write `)`"),
    ("row.a^) && row.b", "`)` closes nothing"),
    (
        "size(^[row.a) > 1",
        "`[` is not closed before `)`; write `]`",
    ),
    ("row.a == ^", "it ends after `==`"),
    ("row.a ^'x'", "`'` cannot follow `row.a`; join the two"),
    ("row.^.a", "`.` cannot follow `row.`"),
    ("^* row.a", "`*` cannot begin an expression"),
    ("^ ", "an empty expression"),
    ("row.a == 1 ^# one", "write comments outside"),
    ("^rwo.a == 1", "no variable `rwo`; did you mean `row`?"),
    (
        "row.a == ^web",
        "there are `row`, `at`, and a text is written `'web'`",
    ),
    ("row.a == ^True", "no variable `True`; write `true`"),
    ("row.a == ^None", "write `null`"),
    ("row.not-^after < 3", "written `row['not-after']`"),
    ("row.a.^startswith('x')", "did you mean `startsWith`?"),
    (
        "^len(row.a) > 1",
        "no function `len`; write `size(row.list)`",
    ),
    (
        "^frobnicate(row.a)",
        "no function `frobnicate`; there are `atLeast`, ",
    ),
    (
        "row.a.^startsWith()",
        "write it as in `row.text.startsWith('start')`",
    ),
    (
        "^contains(row.a, 'x')",
        "write it as in `row.text.contains('part')`",
    ),
    (
        "row.a.^exists(x == 1)",
        "write it as in `row.list.exists(x, x == 'a')`",
    ),
    ("has(^row)", "write `has(row.field)`"),
    (
        "row.a.^matches('(x')",
        "`(x` is not a regex: unclosed group",
    ),
    ("^'text'", "gives a value, not true or false"),
    ("row.a && row.n ^+ 1", "gives a value, not true or false"),
    ("row.a == ^{'x': 1}", "write a list"),
    ("((((((((((^(row.a)))))))))))", "more than 10 brackets"),
    (
        "^row.a.exists(a, a.exists(b, b.exists(c, c)))",
        "3 loops within each other",
    ),
];

#[test]
fn slips_are_told_at_their_place_with_what_to_write_instead() {
    for (marked, said) in SLIPS {
        let at = marked.chars().position(|c| c == '^').unwrap();
        let source = marked.replacen('^', "", 1);
        let slips = Predicate::new(&source, "", &["row", "at"]).unwrap_err();
        let told = slips.iter().find(|slip| slip.detail.contains(said));
        let told = told.unwrap_or_else(|| panic!("{source}: {slips:?}"));
        assert_eq!(told.at, at, "{source}: {}", told.detail);
    }
}

#[test]
fn all_slips_of_an_expression_are_told() {
    let told = |source: &str| Predicate::new(source, "", &["row"]).unwrap_err().len();
    assert_eq!(told("row.a = 1 || row.b = 2"), 2);
    assert_eq!(
        told("rwo.a == 1 && lenght(row.b) > 2 && row.c.exists(x, x == web)"),
        3
    );
}

#[test]
fn every_function_can_be_called_as_its_example_says() {
    let row = serde_json::json!({
        "text": "1", "list": ["a"], "version": "edge-26.8.3", "number": 1, "memory": "1Gi",
        "time": "2026-11-23T01:00:00Z", "field": "x",
    });
    let mesh = serde_json::json!({});
    let root = super::context(jiff::Timestamp::UNIX_EPOCH, &mesh);
    let mut scope = root.new_inner_scope();
    super::bind(&mut scope, "row", &row);
    let is_unknown = |source: &str| {
        let run = cel::Program::compile(source).unwrap().execute(&scope);
        run.is_err_and(|error| error.to_string().contains("Undeclared reference"))
    };
    assert!(is_unknown("frobnicate(row.text)") && is_unknown("row.text.frobnicate()"));
    for Signature { example, .. } in &SIGNATURES {
        assert!(!is_unknown(example), "{example}");
        let compared = format!("({example}) == ({example})");
        assert!(
            Predicate::new(&compared, "", &["row", "at"]).is_ok(),
            "{example}"
        );
    }
    for (_, example) in MACROS.iter().chain(&ELSEWHERE) {
        let compared = format!("({example}) == ({example})");
        assert!(
            Predicate::new(&compared, "", &["row", "at"]).is_ok(),
            "{example}"
        );
    }
}

#[test]
fn no_expression_is_too_much_for_the_stack() {
    let chains = [
        "!".repeat(4000) + "row.a",
        "row".to_owned() + &".a".repeat(49),
        "row.a".to_owned() + &" in row".repeat(48),
        "row.a".to_owned() + &" == row".repeat(48),
        "row.a".to_owned() + &" + row".repeat(48),
        "row.a && ".to_owned() + &"row.a ? true : ".repeat(24) + "true",
        "row.a".to_owned() + &" in a".repeat(800),
        "row.a".to_owned() + &"==a".repeat(1300),
        "row".to_owned() + &".a".repeat(2000),
        "row.a".to_owned() + &"[0]".repeat(1300),
        "row.a == 1".to_owned() + &"+1".repeat(2000),
        "-".repeat(4000) + "row.a == 1",
        "row.a ? true : ".repeat(270) + "true",
        "row.a && ".repeat(400) + "true",
        "(".repeat(4000),
        "(".repeat(10) + "row.a" + &")".repeat(10),
        "[".repeat(10) + "row.a" + &"]".repeat(10),
        "size(".repeat(10) + "row.a" + &")".repeat(10),
        "[".repeat(4000),
        "row.a.exists(x, ".repeat(200),
        "size(".repeat(800) + "row.a",
        "{".repeat(4000),
    ];
    for chain in chains {
        // On a thread as small as those that rules are read and evaluated on.
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let run = thread.spawn(move || {
            let row = serde_json::json!({"a": 1});
            let mesh = serde_json::json!({});
            let root = super::context(jiff::Timestamp::UNIX_EPOCH, &mesh);
            let mut scope = root.new_inner_scope();
            super::bind(&mut scope, "row", &row);
            Predicate::new(&chain, "", &["row"]).is_ok_and(|p| p.holds(&scope).is_ok())
        });
        run.unwrap().join().unwrap();
    }
}

/// Expressions about rows of `services`, marked as above.
const FIELDS: [(&str, &str); 9] = [
    (
        "row.^nme == 'x'",
        "no field `nme` here; did you mean `name`?",
    ),
    ("!has(row.^is_miror)", "did you mean `is_mirror`?"),
    (
        "row['^endpoints-ready'] == 0",
        "did you mean `endpoints_ready`",
    ),
    (
        "row.ports.exists(p, p.port == 80 && p.^targetPort == 1)",
        "did you mean `target_port`",
    ),
    ("row.ports[0].^nam == 'x'", "did you mean `name`?"),
    (
        "row.backing.all(b, b.ready == b.^wanted)",
        "there are `desired`, ",
    ),
    (
        "mesh.components['linkerd-identity'].^redy == 0",
        "did you mean `ready`?",
    ),
    ("row.name == mesh.^verson", "did you mean `version`"),
    ("row.^quux", "see docs/facts.md"),
];

#[test]
fn fields_that_rows_do_not_have_are_told_at_their_place() {
    let check = |source: &str| Predicate::new(source, "services", &["row", "mesh"]);
    for (marked, said) in FIELDS {
        let at = marked.chars().position(|c| c == '^').unwrap();
        let source = marked.replacen('^', "", 1);
        let slips = check(&source).unwrap_err();
        assert_eq!(slips.len(), 1, "{source}: {slips:?}");
        assert!(slips[0].detail.contains(said), "{source}: {slips:?}");
        assert_eq!(slips[0].at, at, "{source}");
    }
    for sound in [
        "row.selector.app == 'x' && row.selector['a.b/c'] == 'y'",
        "row.ports.exists(name, name.name == 'x') && row.name == 'y'",
        "row.ports.exists(row, row.port == 80)",
        "row.config.exists(key, key == 'opaque-ports')",
        "mesh.components.exists(name, mesh.components[name].ready == 0)",
    ] {
        assert!(check(sound).is_ok(), "{sound}: {:?}", check(sound).err());
    }
}
