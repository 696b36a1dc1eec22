//! What looks like a secret: by the name that it goes by, or by itself.
//!
//! To take too much for a secret costs a field in the vault; to take too little costs the secret. So doubts go one way,
//! except for words that say what a value is for.

/// Beginnings that the keys of well-known services have.
const PREFIXES: &[&str] = &[
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "rk_test_",
    "whsec_",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xoxe-",
    "xoxe.",
    "xoxs-",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "figd_",
    "npm_",
    "pypi-",
    "hf_",
    "dop_v1_",
    "shpat_",
    "shpss_",
    "SG.",
    "lin_api_",
    "ntn_",
    "bth_",
    "sntrys_",
    "sntryu_",
    "r8_",
    "gsk_",
    "tvly-",
    "pplx-",
    "apify_api_",
    "EAAC",
    "ATATT",
    "rnd_",
    "sbp_",
    "nfp_",
    "GOCSPX-",
];

/// Words that make the value of what they name a secret.
const SECRET_WORDS: &[&str] = &[
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASS",
    "PWD",
    "CREDENTIAL",
    "CREDENTIALS",
    "AUTHORIZATION",
    "COOKIE",
    "APIKEY",
    "PAT",
    "AUTH",
    "BEARER",
    "JWT",
    "DSN",
];

/// Last words that say that it is not the secret itself.
const HARMLESS_ENDS: &[&str] =
    &["FILE", "PATH", "DIR", "URL", "URI", "HOST", "LIMIT", "COUNT", "TTL", "TYPE", "MODE", "ID", "NAME", "ENABLED"];

/// Whether what goes by this name is a secret: `GITHUB_TOKEN`, `X-Api-Key`, `--password`, `Authorization`.
pub(super) fn is_secret_name(name: &str) -> bool {
    let upper = separated(name).to_ascii_uppercase();
    let words: Vec<&str> = upper.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let Some(last) = words.last() else { return false };
    if HARMLESS_ENDS.contains(last) {
        return false;
    }
    let has = |wanted: &str| words.contains(&wanted);
    words.iter().any(|word| SECRET_WORDS.contains(word) || word.ends_with("TOKEN") || word.ends_with("PASSWORD"))
        || *last == "KEY" && !has("PUBLIC")
        || last.ends_with("APIKEY")
        || last.ends_with("SECRET")
}

/// `apiKey` as `api Key`.
fn separated(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut before = ' ';
    for c in name.chars() {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            out.push(' ');
        }
        out.push(c);
        before = c;
    }
    out
}

/// Whether the value of something that goes by `name` is to be kept secret.
pub(super) fn is_secret(name: &str, value: &str) -> bool {
    let says_nothing = value.is_empty() || matches!(value, "true" | "false" | "0" | "1" | "none" | "null");
    !says_nothing && (is_secret_name(name) || looks_secret(value) || has_credentials(value))
}

/// Whether a value is a secret by what it looks like, whatever its name.
pub(super) fn looks_secret(value: &str) -> bool {
    let value = value.trim();
    let bare = ["Bearer ", "bearer ", "Basic ", "basic ", "token ", "Token "]
        .iter()
        .find_map(|scheme| value.strip_prefix(scheme))
        .filter(|rest| rest.len() >= 8 && !rest.contains(' '));
    if bare.is_some() || value.starts_with("-----BEGIN ") && value.contains("PRIVATE KEY") {
        return true;
    }
    let known = PREFIXES.iter().any(|prefix| value.strip_prefix(prefix).is_some_and(|rest| is_dense(rest, 12)));
    known || is_web_token(value) || is_random(value)
}

/// Whether it holds a URL with a password: `postgresql://user:password@host/db`.
pub(super) fn has_credentials(value: &str) -> bool {
    value.match_indices("://").any(|(at, mark)| {
        let rest = value.get(at + mark.len()..).unwrap_or_default();
        let authority = rest.split(['/', '?', '#', ' ', '"', '\'']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        user.is_some_and(|user| {
            user.split_once(':').is_some_and(|(_, password)| !password.is_empty()) || is_random(user)
        })
    }) || query_has_secret(value)
}

fn query_has_secret(value: &str) -> bool {
    let Some((_, query)) = value.split_once("://").and_then(|(_, rest)| rest.split_once('?')) else { return false };
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .any(|(name, value)| !value.is_empty() && !value.starts_with(['$', '{', '<']) && is_secret(name, value))
}

/// `header.payload.signature` of a JSON web token.
fn is_web_token(value: &str) -> bool {
    value.starts_with("eyJ") && value.split('.').count() == 3 && value.len() > 40
}

/// Text that no person chose: long, of letters and digits mixed, without anything that words or paths have.
pub(super) fn is_random(value: &str) -> bool {
    let (mut digits, mut letters) = (0, 0);
    for byte in value.bytes() {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'a'..=b'z' | b'A'..=b'Z' => letters += 1,
            b'+' | b'=' | b'_' => {}
            _ => return false,
        }
    }
    value.len() >= 32 && digits >= 4 && letters >= 4
}

/// Whether it is at least `least` characters of what keys are made of.
fn is_dense(rest: &str, least: usize) -> bool {
    rest.len() >= least
        && rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b'+' | b'='))
        && rest.bytes().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_so() {
        for name in [
            "GITHUB_TOKEN",
            "API_KEY",
            "OPENAI_API_KEY",
            "apiKey",
            "X-Api-Key",
            "Authorization",
            "--password",
            "PGPASSWORD",
            "CLIENT_SECRET",
            "clientSecret",
            "NOTION_PAT",
            "--figma-api-key",
            "SLACK_BOT_TOKEN",
            "accessToken",
            "COOKIE",
            "APIKEY",
            "access_token",
            "SENTRY_DSN",
            "DB_PASS",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "",
            "PATH",
            "LOG_LEVEL",
            "KEY_FILE",
            "TOKEN_LIMIT",
            "PUBLIC_KEY",
            "AWS_ACCESS_KEY_ID",
            "MONKEY",
            "MAX_TOKENS",
            "GOOGLE_CREDENTIALS_PATH",
            "KEYBOARD",
            "Content-Type",
            "TOKEN_URL",
            "COMPASS",
            "AUTHOR",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn values_that_look_so() {
        for value in [
            "ghp_0123456789abcdefghij",
            "sk-proj-A123456789012345",
            "xoxb-123-456-abcDEF",
            "Bearer 12345678abc",
            "Basic dXNlcjpwYXNzd29yZA==",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
            "-----BEGIN RSA PRIVATE KEY-----\nx",
            "0123456789abcdef0123456789abcdef",
            "AKIAIOSFODNN7EXAMPLE",
        ] {
            assert!(looks_secret(value), "{value}");
        }
        for value in [
            "",
            "debug",
            "https://example.org/a",
            "/home/ann/secrets",
            "sk-",
            "Bearer token",
            "@scope/package@1.2.3",
            "0198c6a0-0000-7000-8000-000000000000",
            "this-is-a-long-text-of-words-and-1-number",
            "key-value",
            "secret_manager_name",
            "pat-hs",
            "production_database_of_the_company",
        ] {
            assert!(!looks_secret(value), "{value}");
        }
    }

    #[test]
    fn urls_that_hold_some() {
        for value in [
            "postgresql://ann:s3cret@localhost/db",
            "https://example.org/?api_key=abc",
            "--db=redis://:pw@h",
            "https://0123456789abcdef0123456789abcdef@sentry.example/1",
        ] {
            assert!(has_credentials(value), "{value}");
        }
        for value in ["https://ann@example.org/", "https://example.org/a@b:c", "https://example.org/?q=a", "a:b@c"] {
            assert!(!has_credentials(value), "{value}");
        }
        assert!(!is_secret("USE_TOKEN", "true") && is_secret("PASSWORD", "12345") && !is_secret("A", "b"));
    }
}
