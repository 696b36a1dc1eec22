//! Arrows between layers point down only, and what is quarantined stays so.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each layer and what it may use. `main` and `lib` are above all.
const LAYERS: [(&str, &[&str]); 18] = [
    ("domain", &[]),
    ("config", &["domain"]),
    ("telemetry", &["config", "domain"]),
    ("vault", &["config", "domain"]),
    ("db", &["config", "domain"]),
    ("catalog", &["config", "domain"]),
    ("outbound", &["config", "domain"]),
    ("mail", &["config", "domain"]),
    ("notices", &["mail", "outbound", "vault", "db", "config", "domain"]),
    ("process", &["outbound", "config", "domain"]),
    ("mcp", &["config", "domain"]),
    ("routing", &["mcp", "config", "domain"]),
    ("auth", &["outbound", "vault", "db", "config", "domain"]),
    ("outside", &["outbound", "catalog", "vault", "db", "config", "domain"]),
    (
        "actors",
        &[
            "outside",
            "routing",
            "mcp",
            "process",
            "outbound",
            "catalog",
            "vault",
            "db",
            "telemetry",
            "config",
            "domain",
        ],
    ),
    (
        "web",
        &[
            "actors",
            "outside",
            "auth",
            "routing",
            "mcp",
            "process",
            "outbound",
            "mail",
            "notices",
            "catalog",
            "vault",
            "db",
            "telemetry",
            "config",
            "domain",
        ],
    ),
    (
        "app",
        &[
            "web",
            "actors",
            "outside",
            "auth",
            "routing",
            "mcp",
            "process",
            "outbound",
            "mail",
            "notices",
            "catalog",
            "vault",
            "db",
            "telemetry",
            "config",
            "domain",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "web",
            "actors",
            "outside",
            "auth",
            "routing",
            "mcp",
            "process",
            "outbound",
            "mail",
            "notices",
            "catalog",
            "vault",
            "db",
            "telemetry",
            "config",
            "domain",
        ],
    ),
];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

fn layer_of(path: &Path) -> String {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = below.iter().next().unwrap().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The crate's modules that a file names, in `use crate::{a::…, b::…}` and in `crate::a::…`.
fn used(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut item = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        names.insert(std::mem::take(&mut item));
                    }
                    c if depth == 0 => item.push(c),
                    _ => {}
                }
            }
            names.insert(item);
        } else {
            names.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    let first = |name: String| name.trim().split("::").next().unwrap_or_default().trim().to_owned();
    names.into_iter().map(first).filter(|name| !name.is_empty()).collect()
}

#[test]
fn arrows_point_down_only() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let layer = layer_of(&path);
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
            assert!(layer == "main" || layer == "lib", "{} belongs to no layer", path.display());
            continue;
        };
        for name in used(&text) {
            let is_layer = LAYERS.iter().any(|(known, _)| *known == name);
            if is_layer && name != layer && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{} uses {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn quarantined_crates_stay_in_their_layer() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let layer = layer_of(&path);
        for (needle, home) in [("diesel", "db"), ("actix::", "actors")] {
            let names = text.lines().any(|line| {
                let code = line.split("//").next().unwrap_or_default();
                code.match_indices(needle)
                    .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
            });
            if names && layer != home {
                wrong.push(format!("{} names {needle}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_unsafe_code_anywhere() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
}
