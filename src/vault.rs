//! The vault: credentials at rest, sealed with AES-256-GCM under one master key.
//!
//! Sealed text is `v1.<key id>.<base64url of nonce and ciphertext>`. The nonce is 96 random bits, fresh each
//! time. The version, the key id and the owner's name are associated data: sealed text that is moved
//! to another owner's row does not open. Nothing here is kept but the key, which is zeroed on drop and has
//! no `Debug`; storing sealed text and the check value is the caller's.

mod key_file;

use std::path::Path;

use aes_gcm::{
    Aes256Gcm, KeyInit as _, Nonce,
    aead::{Aead as _, Payload},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

use crate::domain::secret::Secret;

const VERSION: &str = "v1";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
/// What the check value is sealed for; no user's thing has this name.
const CHECK_OWNER: &str = "vault-check";
const CHECK_TEXT: &str = "the master key is the right one";

/// Why a key could not be had or sealed text not be opened. None of these says anything of the contents.
#[derive(Debug, Error)]
pub enum VaultError {
    /// The master key is not 32 bytes in base64.
    #[error("{origin} is not 32 bytes in base64: make one with `head -c 32 /dev/urandom | base64`")]
    BadKey {
        /// Where it came from.
        origin: String,
    },
    /// Others than its owner can read the key file.
    #[error("key file {path} can be read by others (mode {mode:03o}): run `chmod 600` on it")]
    KeyFileExposed {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file cannot be read or made.
    #[error("cannot {action} the key file {path}")]
    KeyFile {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system: {reason}")]
    Randomness {
        /// What it said.
        reason: String,
    },
    /// The text was sealed with another master key.
    #[error("sealed with master key {found}, but this is {expected}: start with the key that was used before")]
    WrongKey {
        /// The id of the key in use.
        expected: String,
        /// The id of the key that is needed.
        found: String,
    },
    /// The text is of a version that is not known here.
    #[error("sealed text of version {found:?} is not known to this version of berth")]
    UnknownVersion {
        /// The version.
        found: String,
    },
    /// The text is not sealed text.
    #[error("not sealed text, or cut short")]
    Malformed,
    /// The text was changed, or belongs to another owner.
    #[error("sealed text was changed or belongs to another owner")]
    Forged,
    /// The plaintext cannot be sealed: it is far too long.
    #[error("too long to be sealed")]
    TooLong,
}

/// Where the master key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// It was given, by the environment.
    Given,
    /// It was read from the key file.
    File,
    /// It was made and written to the key file just now.
    Created,
}

/// Seals and opens under one master key.
pub struct Vault {
    key: Box<Zeroizing<[u8; KEY_BYTES]>>,
    key_id: String,
}

impl Vault {
    /// Takes the given key (base64, 32 bytes), else the one in `key_file`, which is made when it is not there.
    ///
    /// # Errors
    /// When the key is malformed, or the file is exposed, unreadable or cannot be made.
    pub fn open(given: Option<&Secret>, key_file: &Path) -> Result<(Self, KeyOrigin), VaultError> {
        if let Some(given) = given {
            let vault = Self::from_base64(given, || "the given master key".to_owned())?;
            return Ok((vault, KeyOrigin::Given));
        }
        if let Some(text) = key_file::read(key_file)? {
            let vault = Self::from_base64(&text, || format!("the content of key file {}", key_file.display()))?;
            return Ok((vault, KeyOrigin::File));
        }
        Self::create(key_file).map(|vault| (vault, KeyOrigin::Created))
    }

    /// Makes a new key and writes it to `key_file`, which must not exist.
    ///
    /// # Errors
    /// When the file exists or cannot be written, or there is no randomness.
    pub fn create(key_file: &Path) -> Result<Self, VaultError> {
        let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
        random(key.as_mut_slice())?;
        let vault = Self::new(key);
        key_file::create(key_file, &vault.to_base64())?;
        Ok(vault)
    }

    /// A short fingerprint of the key, safe to show and to store.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Seals `plaintext` for `owner`, the stable name of the row that will hold it.
    ///
    /// # Errors
    /// When there is no randomness, or the text is of many gigabytes.
    pub fn seal(&self, owner: &str, plaintext: &Secret) -> Result<String, VaultError> {
        let mut nonce = [0; NONCE_BYTES];
        random(&mut nonce)?;
        let associated = self.associated_data(owner);
        let payload = Payload { msg: plaintext.expose().as_bytes(), aad: &associated };
        let ciphertext = self.cipher().encrypt(Nonce::from_slice(&nonce), payload).map_err(|_| VaultError::TooLong)?;
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&ciphertext);
        Ok(format!("{VERSION}.{}.{}", self.key_id, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Opens what was sealed for `owner`.
    ///
    /// # Errors
    /// When the text was sealed with another key, for another owner, was changed or cut short.
    pub fn open_sealed(&self, owner: &str, sealed: &str) -> Result<Secret, VaultError> {
        let (key_id, body) = split(sealed)?;
        if key_id != self.key_id {
            return Err(VaultError::WrongKey { expected: self.key_id.clone(), found: key_id.to_owned() });
        }
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| VaultError::Malformed)?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES).ok_or(VaultError::Malformed)?;
        let associated = self.associated_data(owner);
        let payload = Payload { msg: ciphertext, aad: &associated };
        let plaintext = self.cipher().decrypt(Nonce::from_slice(nonce), payload).map_err(|_| VaultError::Forged)?;
        match String::from_utf8(plaintext) {
            Ok(text) => Ok(Secret::new(text)),
            Err(error) => {
                error.into_bytes().zeroize();
                Err(VaultError::Malformed)
            }
        }
    }

    /// Text to store beside the data, by which a wrong key is known before anything is written with it.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn check_value(&self) -> Result<String, VaultError> {
        self.seal(CHECK_OWNER, &Secret::new(CHECK_TEXT.to_owned()))
    }

    /// Whether this is the key that `check_value` was made with.
    ///
    /// # Errors
    /// [`VaultError::WrongKey`] when it is another; others when the value was changed.
    pub fn verify_check(&self, check_value: &str) -> Result<(), VaultError> {
        let text = self.open_sealed(CHECK_OWNER, check_value)?;
        if text.expose() == CHECK_TEXT { Ok(()) } else { Err(VaultError::Forged) }
    }

    /// Seals again under this key what `old` sealed; what this key sealed is checked and returned as it is, so
    /// that a rotation may be repeated.
    ///
    /// # Errors
    /// When neither key opens it.
    pub fn reseal(&self, old: &Self, owner: &str, sealed: &str) -> Result<String, VaultError> {
        let (key_id, _) = split(sealed)?;
        if key_id == self.key_id {
            return self.open_sealed(owner, sealed).map(|_| sealed.to_owned());
        }
        self.seal(owner, &old.open_sealed(owner, sealed)?)
    }

    /// A digest of `text` that only this key makes (HMAC-SHA256 under a key of its own, derived from the master key):
    /// it tells whether two texts are the same, and nobody without the key can try texts against it.
    #[must_use]
    pub fn digest(&self, text: &str) -> String {
        let mac = |key: &[u8], data: &[u8]| {
            // HMAC takes keys of any length.
            let mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(key).ok()?;
            Some(mac.chain_update(data).finalize().into_bytes())
        };
        let key = mac(self.key.as_slice(), b"berth digest key");
        let digest = key.and_then(|mut key| {
            let digest = mac(&key, text.as_bytes());
            key.as_mut_slice().zeroize();
            digest
        });
        digest.unwrap_or_default().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    fn new(key: Box<Zeroizing<[u8; KEY_BYTES]>>) -> Self {
        let digest = Sha256::new().chain_update(b"berth master key id\0").chain_update(key.as_slice()).finalize();
        let key_id = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Self { key, key_id }
    }

    fn from_base64(text: &Secret, origin: impl Fn() -> String) -> Result<Self, VaultError> {
        let bad = |()| VaultError::BadKey { origin: origin() };
        let bytes = Zeroizing::new(STANDARD.decode(text.expose().trim()).map_err(|_| bad(()))?);
        let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
        if bytes.len() != KEY_BYTES {
            return Err(bad(()));
        }
        key.copy_from_slice(&bytes);
        Ok(Self::new(key))
    }

    fn to_base64(&self) -> Secret {
        Secret::new(STANDARD.encode(self.key.as_slice()))
    }

    /// Made anew for each use: the expanded key lives no longer than that.
    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(aes_gcm::Key::<Aes256Gcm>::from_slice(self.key.as_slice()))
    }

    /// The key id has a fixed length and the owner comes last, so no two inputs give the same bytes.
    fn associated_data(&self, owner: &str) -> Vec<u8> {
        format!("{VERSION}.{}.{owner}", self.key_id).into_bytes()
    }
}

/// The key id and the body of sealed text.
fn split(sealed: &str) -> Result<(&str, &str), VaultError> {
    let (version, rest) = sealed.split_once('.').ok_or(VaultError::Malformed)?;
    if version != VERSION {
        return Err(VaultError::UnknownVersion { found: version.chars().take(16).collect() });
    }
    rest.split_once('.').ok_or(VaultError::Malformed)
}

fn random(bytes: &mut [u8]) -> Result<(), VaultError> {
    getrandom::fill(bytes).map_err(|error| VaultError::Randomness { reason: error.to_string() })
}

#[cfg(test)]
mod tests;
