//! What the vault promises, tried from outside and by flipping bits.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
};

use proptest::prelude::*;

use super::*;

fn key(byte: u8) -> Secret {
    Secret::new(STANDARD.encode([byte; KEY_BYTES]))
}

fn vault(byte: u8) -> Vault {
    Vault::open(Some(&key(byte)), Path::new("/nonexistent/key")).unwrap().0
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

#[test]
fn sealed_text_opens_for_its_owner_only() {
    let vault = vault(1);
    let sealed = vault.seal("credential:a", &secret("hunter2")).unwrap();
    assert!(sealed.starts_with(&format!("v1.{}.", vault.key_id())), "{sealed}");
    assert_eq!(vault.open_sealed("credential:a", &sealed).unwrap().expose(), "hunter2");
    assert!(matches!(vault.open_sealed("credential:b", &sealed), Err(VaultError::Forged)));
    assert!(matches!(vault.open_sealed("", &sealed), Err(VaultError::Forged)));
}

#[test]
fn the_same_secret_is_never_sealed_alike() {
    let vault = vault(1);
    let texts: std::collections::BTreeSet<_> = (0..100).map(|_| vault.seal("a", &secret("x")).unwrap()).collect();
    assert_eq!(texts.len(), 100);
}

#[test]
fn every_flipped_bit_is_noticed() {
    let vault = vault(1);
    let sealed = vault.seal("a", &secret("s3cret")).unwrap();
    let (head, body) = sealed.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(body).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let changed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(changed));
        assert!(matches!(vault.open_sealed("a", &changed), Err(VaultError::Forged)), "bit {bit}");
    }
}

#[test]
fn every_truncation_is_noticed() {
    let vault = vault(1);
    let sealed = vault.seal("a", &secret("s3cret")).unwrap();
    for length in 0..sealed.len() {
        assert!(vault.open_sealed("a", &sealed[..length]).is_err(), "{length}");
    }
}

#[test]
fn another_key_or_version_is_named() {
    let sealed = vault(1).seal("a", &secret("x")).unwrap();
    assert!(matches!(vault(2).open_sealed("a", &sealed), Err(VaultError::WrongKey { .. })));
    // The id alone does not help: it is bound to the contents.
    let relabelled = sealed.replace(vault(1).key_id(), vault(2).key_id());
    assert!(matches!(vault(2).open_sealed("a", &relabelled), Err(VaultError::Forged)));
    let newer = sealed.replacen("v1.", "v2.", 1);
    assert!(matches!(vault(1).open_sealed("a", &newer), Err(VaultError::UnknownVersion { found }) if found == "v2"));
    for text in ["", "v1", "v1.", "plain text", "v1.x"] {
        assert!(vault(1).open_sealed("a", text).is_err(), "{text:?}");
    }
}

#[test]
fn a_wrong_key_is_known_by_the_check_value() {
    let check = vault(1).check_value().unwrap();
    vault(1).verify_check(&check).unwrap();
    assert!(matches!(vault(2).verify_check(&check), Err(VaultError::WrongKey { .. })));
    let other = vault(1).seal(CHECK_OWNER, &secret("something else")).unwrap();
    assert!(vault(1).verify_check(&other).is_err());
}

#[test]
fn resealing_moves_to_the_new_key_and_may_be_repeated() {
    let (old, new, third) = (vault(1), vault(2), vault(3));
    let sealed = old.seal("a", &secret("x")).unwrap();
    let moved = new.reseal(&old, "a", &sealed).unwrap();
    assert_eq!(new.open_sealed("a", &moved).unwrap().expose(), "x");
    assert_eq!(new.reseal(&old, "a", &moved).unwrap(), moved);
    assert!(matches!(new.reseal(&third, "a", &sealed), Err(VaultError::WrongKey { .. })));
    assert!(new.reseal(&old, "b", &sealed).is_err());
    assert!(new.reseal(&old, "b", &moved).is_err());
}

#[test]
fn digests_are_of_the_text_and_of_the_key() {
    let digest = vault(1).digest("hunter2");
    assert_eq!(digest.len(), 32);
    assert_eq!(vault(1).digest("hunter2"), digest);
    assert_ne!(vault(1).digest("hunter3"), digest);
    assert_ne!(vault(2).digest("hunter2"), digest);
}

#[test]
fn the_key_file_is_made_once_and_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let (first, origin) = Vault::open(None, &path).unwrap();
    assert_eq!(origin, KeyOrigin::Created);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let content = fs::read(&path).unwrap();
    let (second, origin) = Vault::open(None, &path).unwrap();
    assert_eq!(origin, KeyOrigin::File);
    assert_eq!(first.key_id(), second.key_id());
    assert_eq!(fs::read(&path).unwrap(), content);
    assert!(matches!(Vault::create(&path), Err(VaultError::KeyFile { action: "create", .. })));
    assert_eq!(fs::read(&path).unwrap(), content);
}

#[test]
fn a_given_key_leaves_the_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let (_, origin) = Vault::open(Some(&key(7)), &path).unwrap();
    assert_eq!(origin, KeyOrigin::Given);
    assert!(!path.exists());
}

#[test]
fn an_exposed_key_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    Vault::create(&path).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = Vault::open(None, &path).err().unwrap();
        assert!(matches!(error, VaultError::KeyFileExposed { mode: m, .. } if m == mode), "{error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    Vault::open(None, &path).unwrap();
}

#[test]
fn malformed_keys_are_refused_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    for text in ["", "c2hvcnQ=", "not base64 at all!", &STANDARD.encode([1; 33])] {
        let error = Vault::open(Some(&secret(text)), &path).err().unwrap();
        assert!(matches!(error, VaultError::BadKey { .. }), "{error}");
        assert!(text.is_empty() || !error.to_string().contains(text), "{error}");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(Vault::open(None, &path), Err(VaultError::BadKey { .. })), "{text:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(matches!(Vault::open(None, &path), Err(VaultError::KeyFile { action: "read", .. })));
    assert!(Vault::open(None, folder.path()).is_err());
    assert!(matches!(Vault::open(None, &folder.path().join("a/b")), Err(VaultError::KeyFile { action: "create", .. })));
}

#[test]
fn a_final_line_end_is_no_part_of_the_key() {
    let with_line_end = secret(&format!("{}\n", key(9).expose()));
    assert_eq!(Vault::open(Some(&with_line_end), Path::new("/")).unwrap().0.key_id(), vault(9).key_id());
}

proptest! {
    #[test]
    fn what_is_sealed_opens_again(owner in ".*", text in ".*", byte: u8) {
        let vault = vault(byte);
        let sealed = vault.seal(&owner, &secret(&text)).unwrap();
        let opened = vault.open_sealed(&owner, &sealed).unwrap();
        prop_assert_eq!(opened.expose(), text);
    }

    #[test]
    fn no_text_makes_it_panic(text in ".*") {
        prop_assert!(vault(1).open_sealed("a", &text).is_err());
        let sealed = format!("v1.{}.{text}", vault(1).key_id());
        prop_assert!(vault(1).open_sealed("a", &sealed).is_err());
    }
}
