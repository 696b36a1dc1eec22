//! The `requestState` of a parked call: sealed, so that nobody but its client, for that very request,
//! gets anywhere with it (patterns/mrtr 2026-07-28, "Server Requirements").
//!
//! The key lives as long as the child: a parked call ends with its child, so an older state can
//! mean nothing. Used once: what it names is taken out when it comes back.

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    domain::ids::UserId,
    mcp::{
        jsonrpc::Message,
        members::{members, only},
    },
};

const NONCE_BYTES: usize = 12;

/// Names a parked call; 128 random bits.
pub(super) type ParkId = [u8; 16];

/// Seals and opens the states of one child's calls.
pub(super) struct Sealer {
    cipher: Aes256Gcm,
}

impl Sealer {
    /// With a key of its own.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key)?;
        Ok(Self { cipher: Aes256Gcm::new((&*key).into()) })
    }

    /// A fresh name and its sealed form, bound to `bound`.
    pub(super) fn mint(&self, bound: &[u8]) -> Result<(ParkId, String), getrandom::Error> {
        let (mut id, mut nonce) = (ParkId::default(), [0; NONCE_BYTES]);
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut nonce)?;
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), Payload { msg: &id, aad: bound });
        // Sealing sixteen bytes cannot fail; an empty state opens as nothing.
        let mut state = nonce.to_vec();
        state.extend(sealed.unwrap_or_default());
        Ok((id, URL_SAFE_NO_PAD.encode(state)))
    }

    /// The name in `state`; `None` when it was not sealed by us for `bound`.
    pub(super) fn open(&self, state: &str, bound: &[u8]) -> Option<ParkId> {
        let bytes = URL_SAFE_NO_PAD.decode(state).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        let id = self.cipher.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: bound }).ok()?;
        id.try_into().ok()
    }
}

/// What a state is bound to: who asks, and for what.
pub(super) fn binding(caller: UserId, request: &Message) -> Vec<u8> {
    let fields = request.params().and_then(members).unwrap_or_default();
    let mut digest = Sha256::new();
    let mut add = |part: &[u8]| {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    };
    add(request.method().as_bytes());
    for name in ["name", "uri", "arguments"] {
        let raw = only(&fields, name).ok().flatten().map_or("null", |field| field.value);
        // Clients may write the same value in another way when they try again.
        let value: serde_json::Value = serde_json::from_str(raw).unwrap_or_default();
        add(value.to_string().as_bytes());
    }
    let mut bound = caller.to_string().into_bytes();
    bound.extend_from_slice(&digest.finalize());
    bound
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn request(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn a_state_opens_for_its_client_and_its_request_only() {
        let (ann, bob) = (UserId::generate(), UserId::generate());
        let call = |id: u32, arguments: &str| {
            request(&format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"a","arguments":{arguments}}}}}"#
            ))
        };
        let sealer = Sealer::new().unwrap();
        let bound = binding(ann, &call(1, r#"{"x":1,"y":"z"}"#));
        let (id, state) = sealer.mint(&bound).unwrap();

        assert_eq!(sealer.open(&state, &binding(ann, &call(2, r#"{ "y":"z", "x" : 1 }"#))), Some(id));
        assert_eq!(sealer.open(&state, &binding(bob, &call(2, r#"{"x":1,"y":"z"}"#))), None);
        assert_eq!(sealer.open(&state, &binding(ann, &call(2, r#"{"x":2,"y":"z"}"#))), None);
        assert_eq!(Sealer::new().unwrap().open(&state, &bound), None);
        for forged in [
            "",
            "x",
            "!!",
            &format!("{state}A"),
            &state[1..],
            &state.replace(&state[4..5], if &state[4..5] == "A" { "B" } else { "A" }),
        ] {
            assert_eq!(sealer.open(forged, &bound), None, "{forged}");
        }
    }

    #[test]
    fn two_states_never_look_alike() {
        let sealer = Sealer::new().unwrap();
        assert_ne!(sealer.mint(b"a").unwrap().1, sealer.mint(b"a").unwrap().1);
    }
}
