//! `docs/providers/README.md` has a table of what each provider can do. It is made from the code: this test
//! fails when they differ, and `UPDATE_DOCS=1 cargo test -p byok-core --test provider_table` writes it anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use byok_core::capability::Capability;
use byok_core::provider::builtin;

const BEGIN: &str =
    "<!-- table: made from the code, see crates/byok-core/tests/provider_table.rs -->\n";
const END: &str = "<!-- end of table -->\n";

fn table(folder: &Path) -> String {
    let mut table = String::from("\n| provider |");
    for capability in Capability::ALL {
        write!(table, " {} |", capability.as_str()).unwrap();
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(Capability::ALL.len()));
    for provider in builtin() {
        let id = provider.id();
        if folder.join(format!("{id}.md")).exists() {
            write!(table, "\n| [{}]({id}.md) `{id}` |", provider.name()).unwrap();
        } else {
            write!(table, "\n| {} `{id}` |", provider.name()).unwrap();
        }
        for capability in Capability::ALL {
            let cell = match provider.default_model(*capability) {
                _ if !provider.supports(*capability) => String::new(),
                Some(model) => format!("`{model}`"),
                None => "yes, `model` is needed".to_owned(),
            };
            write!(table, " {cell} |").unwrap();
        }
    }
    table.push_str("\n\n");
    table
}

#[test]
fn the_table_of_providers_is_what_the_code_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers");
    let file = folder.join("README.md");
    let text = fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (old, after) = rest.split_once(END).unwrap();
    let new = table(&folder);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, [before, BEGIN, &new, END, after].concat()).unwrap();
        return;
    }
    assert_eq!(
        old, new,
        "docs/providers/README.md is old; UPDATE_DOCS=1 makes it anew"
    );
}

#[test]
fn every_provider_that_can_do_something_has_a_place_for_its_key_and_a_check() {
    for provider in builtin() {
        let id = provider.id();
        assert!(
            Capability::ALL.iter().any(|all| provider.supports(*all)),
            "{id}"
        );
        assert!(provider.verify().path.starts_with('/'), "{id}");
        assert!(!provider.base_url().ends_with('/'), "{id}");
        for capability in Capability::ALL {
            let model = provider.default_model(*capability);
            assert!(
                model.is_none() || provider.supports(*capability),
                "{id} has a model for {}, which it can't do",
                capability.as_str()
            );
        }
    }
}
