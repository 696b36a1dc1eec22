//! Codes that a user reads on one device and types on another (RFC 8628 section 6.1).

/// Letters that make no words and are not taken for one another; twenty of them.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters of a code: 34 bits, which is enough as guessing is throttled and codes live for ten minutes.
const LENGTH: usize = 8;

/// A fresh code, as it is compared: without the dash.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn mint() -> Result<String, getrandom::Error> {
    let mut code = String::with_capacity(LENGTH);
    while code.len() < LENGTH {
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes)?;
        // Every letter equally often: 240 is the largest multiple of 20 that a byte holds.
        let fair = bytes.iter().filter(|byte| **byte < 240);
        let letters = fair.filter_map(|byte| ALPHABET.get(usize::from(byte % 20)));
        code.extend(letters.map(|letter| char::from(*letter)).take(LENGTH - code.len()));
    }
    Ok(code)
}

/// As it is shown: `WDJB-MJHT`.
#[must_use]
pub fn shown(code: &str) -> String {
    let (head, tail) = code.split_at_checked(LENGTH / 2).unwrap_or((code, ""));
    format!("{head}-{tail}")
}

/// What the user has typed, as it is compared: in any case, with or without dash and spaces. `None`: no code.
#[must_use]
pub fn typed(text: &str) -> Option<String> {
    let code: String =
        text.chars().take(64).filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    (code.len() == LENGTH && code.bytes().all(|byte| ALPHABET.contains(&byte))).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back_as_people_type_them() {
        let code = mint().unwrap();
        assert_ne!(code, mint().unwrap());
        assert_eq!(typed(&shown(&code)), Some(code.clone()));
        assert_eq!(typed("wdjb mjht"), Some("WDJBMJHT".to_owned()));
        for wrong in ["", "WDJB", "WDJB-MJHTX", "AEIO-UAEI", "WDJB-MJH1"] {
            assert_eq!(typed(wrong), None, "{wrong}");
        }
    }
}
