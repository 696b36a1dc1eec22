//! The services that come with Berth.

use std::path::{Path, PathBuf};

use berth::{
    catalog::Catalog,
    domain::{
        manifest::{CredentialKind, Launch},
        ports::PortRange,
    },
};

pub(super) fn services_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mcp-servers")
}

#[test]
fn all_load_and_the_plain_ones_need_no_credential() {
    let (catalog, errors) = Catalog::load(&services_dir(), PortRange::SHARED);
    assert_eq!(errors, []);
    for name in ["everything", "filesystem", "memory", "notes", "time"] {
        let service = catalog.get(&name.parse().unwrap()).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(service.manifest.credential.kind, CredentialKind::None, "{name}");
        assert!(!service.manifest.description.is_empty(), "{name}");
    }
}

#[test]
fn locks_name_no_registry() {
    let (catalog, _) = Catalog::load(&services_dir(), PortRange::SHARED);
    for service in catalog.list(None) {
        if matches!(service.manifest.launch, Launch::Node { .. }) {
            let lock = services_dir().join(service.manifest.name.as_str()).join("package-lock.json");
            let text = std::fs::read_to_string(&lock).unwrap();
            assert!(!text.contains("\"resolved\""), "{} names where packages came from", lock.display());
            assert!(text.contains("\"integrity\""));
        }
    }
}
