//! The manifest's JSON Schema in `docs/` is the one that the types give, and the manifests of the
//! recordings are manifests.

use std::path::Path;

use linkerd_bundle::{Bundle, Limits, Manifest};

#[test]
fn the_schema_in_the_documentation_is_the_one_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/manifest.schema.json");
    let schema = schemars::schema_for!(Manifest);
    let mut text = serde_json::to_string_pretty(&schema).unwrap();
    text.push('\n');
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "run UPDATE_SCHEMAS=1 cargo test and commit the result"
    );
}

#[test]
fn every_recording_has_a_manifest_whose_hashes_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings");
    let mut count = 0;
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.to_string_lossy().contains(".truth.") {
            continue;
        }
        let bundle = Bundle::open(&path, Limits::default()).unwrap();
        let manifest = bundle.manifest().unwrap();
        assert!(manifest.ledger.len() > 100, "{}", path.display());
        for record in &manifest.entries {
            let content = bundle.read(record.path.as_str()).unwrap();
            assert_eq!(
                linkerd_bundle::sha256_hex(&content),
                record.sha256,
                "{}",
                record.path
            );
        }
        count += 1;
    }
    assert_eq!(count, 16);
}
