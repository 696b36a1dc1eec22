//! `requestState`: how far a script has come, encrypted and authenticated with a key of this process.

use aes_gcm::{
    Aes256Gcm, Key, Nonce,
    aead::{Aead, KeyInit},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{script::Inputs, wire::Failure};

const NONCE: usize = 12;

/// How far a call has come.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The method and name that it belongs to.
    pub(crate) call: String,
    pub(crate) round: usize,
    pub(crate) inputs: Inputs,
}

/// The key.
pub(crate) struct Seal(Aes256Gcm);

impl Seal {
    pub(crate) fn new() -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("randomness");
        Self(Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(&key)))
    }

    pub(crate) fn close(&self, progress: &Progress) -> String {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).expect("randomness");
        let plain = serde_json::to_vec(progress).expect("plain data");
        let sealed = self.0.encrypt(Nonce::from_slice(&nonce), plain.as_slice()).expect("short enough");
        BASE64_URL_SAFE_NO_PAD.encode([&nonce, sealed.as_slice()].concat())
    }

    /// The state of this very call; anything else is refused.
    pub(crate) fn open(&self, text: &str, call: &str) -> Result<Progress, Failure> {
        let opened = || {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
            let (nonce, sealed) = bytes.split_at_checked(NONCE)?;
            let plain = self.0.decrypt(Nonce::from_slice(nonce), sealed).ok()?;
            serde_json::from_slice::<Progress>(&plain).ok()
        };
        opened().filter(|progress| progress.call == call).ok_or_else(|| Failure::invalid("requestState is not ours"))
    }
}
