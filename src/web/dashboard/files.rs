//! The files of the dashboard: embedded, compressed once, named by what is in them.
//!
//! Owner of state: [`Dashboard`] keeps what it has read. In debug builds the files are read from disk, and anew when
//! one has changed: no build between an edit and a look.

use std::{
    collections::BTreeMap,
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use parking_lot::Mutex;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use crate::web::error::ApiError;

/// Everything in `static/`.
#[derive(RustEmbed)]
#[folder = "static/"]
struct Embedded;

/// What browsers are given, and its type; the rest is for people who read the folder.
const MEDIA: [(&str, &str); 5] = [
    (".js", "text/javascript; charset=utf-8"),
    (".css", "text/css; charset=utf-8"),
    (".html", "text/html; charset=utf-8"),
    (".svg", "image/svg+xml"),
    (".png", "image/png"),
];

/// How hard brotli tries, of 11. A debug build, in which it is slow, reads files anew at each change.
const EFFORT: u32 = if cfg!(debug_assertions) { 3 } else { 9 };

/// How long a debug build takes what it has read to be what is on disk.
const FRESH: Duration = Duration::from_millis(300);

/// Where the program begins.
const ENTRY: &str = "app/main.js";

/// How a body is encoded.
pub(super) enum Encoding {
    /// As it is.
    Plain,
    /// By this coding (RFC 9110 section 8.4.1).
    Named(&'static str),
}

/// One file in each of its encodings.
pub(super) struct File {
    pub(super) media: &'static str,
    pub(super) tag: String,
    plain: Bytes,
    brotli: Bytes,
    gzip: Bytes,
}

impl File {
    fn new(media: &'static str, plain: &[u8]) -> std::io::Result<Self> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(plain)?;
        let mut small = Vec::new();
        brotli::CompressorWriter::new(&mut small, 64 * 1024, EFFORT, 18).write_all(plain)?;
        let tag = format!("\"{}\"", digest([plain]));
        Ok(Self { media, tag, plain: plain.to_vec().into(), brotli: small.into(), gzip: gzip.finish()?.into() })
    }

    /// The smallest that a client takes which says this of itself.
    pub(super) fn best(&self, accepted: &str) -> (Encoding, Bytes) {
        let takes = |name: &str| {
            accepted.split(',').any(|one| {
                let (coding, weight) = one.split_once(';').unwrap_or((one, ""));
                coding.trim().eq_ignore_ascii_case(name) && !matches!(weight.trim(), "q=0" | "q=0.0")
            })
        };
        if takes("br") {
            return (Encoding::Named("br"), self.brotli.clone());
        }
        if takes("gzip") {
            return (Encoding::Named("gzip"), self.gzip.clone());
        }
        (Encoding::Plain, self.plain.clone())
    }
}

/// All files of one version.
pub(super) struct Files {
    version: String,
    /// What every deep link shows.
    pub(super) page: File,
    by_name: BTreeMap<String, File>,
}

impl Files {
    /// The file `name`, if this is the version that is asked for.
    pub(super) fn get(&self, version: &str, name: &str) -> Option<&File> {
        self.by_name.get(name).filter(|_| version == self.version)
    }

    fn read(texts: &BTreeMap<String, Vec<u8>>) -> std::io::Result<Self> {
        let version = version_of(texts);
        let template = texts.get("index.html").map(|text| String::from_utf8_lossy(text)).unwrap_or_default();
        let links: Vec<String> = needed(texts).iter().map(|name| preload(&version, name)).collect();
        let page = template.replace("<!-- modules -->", &links.concat()).replace("{version}", &version);
        let page = File::new("text/html; charset=utf-8", page.as_bytes())?;
        let mut by_name = BTreeMap::new();
        for (name, text) in texts {
            if let Some(media) = media_of(name) {
                by_name.insert(name.clone(), File::new(media, text)?);
            }
        }
        Ok(Self { version, page, by_name })
    }
}

/// Gives the files; read and compressed when they are first asked for.
#[derive(Default)]
pub struct Dashboard {
    kept: Arc<Mutex<Kept>>,
}

/// What was read, and when.
type Kept = Option<(Instant, Arc<Files>)>;

impl Dashboard {
    /// The files as they are now.
    pub(super) async fn files(&self) -> Result<Arc<Files>, ApiError> {
        let kept = Arc::clone(&self.kept);
        if let Some((read, files)) = &*kept.lock()
            && (!cfg!(debug_assertions) || read.elapsed() < FRESH)
        {
            return Ok(Arc::clone(files));
        }
        let read = tokio::task::spawn_blocking(move || current(&mut kept.lock()));
        read.await.map_err(ApiError::internal)?.map_err(ApiError::internal)
    }
}

fn current(kept: &mut Kept) -> std::io::Result<Arc<Files>> {
    let texts: BTreeMap<String, Vec<u8>> =
        Embedded::iter().filter_map(|name| Some((name.to_string(), Embedded::get(&name)?.data.into_owned()))).collect();
    let same = kept.take().filter(|(_, files)| files.version == version_of(&texts));
    let files = same.map_or_else(|| Files::read(&texts).map(Arc::new), |(_, files)| Ok(files))?;
    *kept = Some((Instant::now(), Arc::clone(&files)));
    Ok(files)
}

fn version_of(texts: &BTreeMap<String, Vec<u8>>) -> String {
    digest(texts.iter().flat_map(|(name, text)| [name.as_bytes(), text.as_slice()]))
}

fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn media_of(name: &str) -> Option<&'static str> {
    MEDIA.iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, media)| *media)
}

fn preload(version: &str, name: &str) -> String {
    format!("<link rel=\"modulepreload\" href=\"/assets/{version}/{name}\">\n")
}

/// The modules that must be there before the first page is: all that [`ENTRY`] imports, directly or not. Told to the
/// browser in the page, so that it need not find out level by level.
fn needed(texts: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let mut found = vec![ENTRY.to_owned()];
    let mut at = 0;
    while let Some(name) = found.get(at).cloned() {
        let text = texts.get(&name).map(|text| String::from_utf8_lossy(text)).unwrap_or_default();
        let more: Vec<String> = imports(&text).filter_map(|target| resolve(&name, target)).collect();
        found.extend(more.into_iter().collect::<std::collections::BTreeSet<_>>());
        let mut seen = std::collections::HashSet::new();
        found.retain(|name| seen.insert(name.clone()));
        at += 1;
    }
    found
}

/// What a module imports from files beside it, by its static imports and re-exports.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', ';']).filter_map(|statement| {
        let (_, after) = statement.rsplit_once("from")?;
        let target = after.trim().strip_prefix(['"', '\''])?;
        let target = target.get(..target.find(['"', '\''])?)?;
        target.starts_with('.').then_some(target)
    })
}

fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(files: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn all_modules_of_the_first_page_are_found_once() {
        let texts = texts(&[
            ("app/main.js", "import { a } from \"./a.js\";\nimport b from '../vendor/b.js';\nimport(\"./later.js\");"),
            ("app/a.js", "import {\n  b,\n} from \"../vendor/b.js\";\nexport * from \"./parts/c.js\";"),
            ("app/parts/c.js", "import { a } from \"../a.js\"; // a circle\nconst from = \"./no.js\";"),
            ("vendor/b.js", "import{x as y}from\"./d.js\";export{y}"),
        ]);
        assert_eq!(needed(&texts), ["app/main.js", "app/a.js", "vendor/b.js", "app/parts/c.js", "vendor/d.js"]);
    }

    #[test]
    fn the_version_is_what_is_in_the_files() {
        let one = texts(&[("a", "bc"), ("d", "")]);
        let other = texts(&[("a", "b"), ("cd", "")]);
        assert_ne!(version_of(&one), version_of(&other));
        assert_eq!(version_of(&one), version_of(&one.clone()));
    }

    #[test]
    fn every_module_that_is_named_is_there() {
        let texts: BTreeMap<String, Vec<u8>> = Embedded::iter()
            .filter_map(|name| Some((name.to_string(), Embedded::get(&name)?.data.into_owned())))
            .collect();
        for name in needed(&texts) {
            assert!(texts.contains_key(&name), "{name}");
        }
    }

    #[test]
    fn a_client_gets_what_it_takes() {
        let file = File::new("text/plain", &b"a".repeat(1000)).unwrap();
        let coding = |accepted: &str| match file.best(accepted).0 {
            Encoding::Plain => "",
            Encoding::Named(name) => name,
        };
        for (accepted, expected) in [
            ("", ""),
            ("gzip, deflate, br, zstd", "br"),
            ("gzip", "gzip"),
            ("br;q=0, gzip;q=1", "gzip"),
            ("identity", ""),
        ] {
            assert_eq!(coding(accepted), expected, "{accepted}");
        }
        assert!(file.brotli.len() < 100 && file.gzip.len() < 100);
    }
}
