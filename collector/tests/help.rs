//! What `--help` says, reviewed as code.

use std::process::Command;

#[test]
fn help_is_as_reviewed() {
    for (name, args) in [
        ("help", vec!["--help"]),
        ("help-pack", vec!["pack", "--help"]),
        ("help-rbac", vec!["rbac", "--help"]),
        ("help-job", vec!["job", "--help"]),
        ("help-redact", vec!["redact", "--help"]),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_linkerd-collect"))
            .env_clear()
            .env("COLUMNS", "100")
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success());
        insta::assert_snapshot!(name, String::from_utf8(output.stdout).unwrap());
    }
}
