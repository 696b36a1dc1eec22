//! Which instance a URL means (RFC 8707): every form of an instance's endpoint, as clients write it.

use url::Url;

use crate::domain::ids::InstanceId;

/// What a `resource` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The gateway itself: no instance in particular.
    Gateway,
    /// `/{service}/{id}/…`.
    ById {
        /// The service.
        service: String,
        /// The instance.
        id: InstanceId,
    },
    /// `/{slug}/{service}/…`.
    BySlug {
        /// The slug.
        slug: String,
        /// The service.
        service: String,
    },
}

/// Reads a `resource`, given the URLs under which we are reached. Scheme and host have no case, and a slash
/// at the end counts for nothing (MCP, "Canonical Server URI"); a fragment is not allowed (RFC 8707, section
/// 2), and a query means nothing of ours.
#[must_use]
pub fn parse(text: &str, bases: &[&Url]) -> Option<Resource> {
    if text.len() > 2048 {
        return None;
    }
    let url = Url::parse(text).ok()?;
    if url.fragment().is_some() || url.query().is_some() || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let path = bases.iter().filter(|base| base.origin() == url.origin()).find_map(|base| below(base, &url))?;
    in_path(path.trim_matches('/'))
}

/// What the path below the gateway means.
fn in_path(path: &str) -> Option<Resource> {
    if path.is_empty() {
        return Some(Resource::Gateway);
    }
    let mut parts = path.split('/');
    let (first, second, last) = (parts.next()?, parts.next()?, parts.next()?);
    if first.is_empty() || second.is_empty() || parts.next().is_some() || !matches!(last, "mcp" | "sse") {
        return None;
    }
    Some(match second.parse() {
        Ok(id) => Resource::ById { service: first.to_owned(), id },
        Err(_) => Resource::BySlug { slug: first.to_owned(), service: second.to_owned() },
    })
}

/// Whether the path below the gateway is of an instance's endpoint: `…/mcp` or `…/sse`.
#[must_use]
pub fn is_endpoint(path: &str) -> bool {
    !matches!(in_path(path.trim_matches('/')), None | Some(Resource::Gateway))
}

/// The rest of the path below `base`.
fn below<'a>(base: &Url, url: &'a Url) -> Option<&'a str> {
    let rest = url.path().strip_prefix(base.path().trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_of_an_instances_url() {
        let id = InstanceId::generate();
        let by_id = Some(Resource::ById { service: "s".to_owned(), id });
        let by_slug = Some(Resource::BySlug { slug: "abc".to_owned(), service: "s".to_owned() });
        let base = Url::parse("https://gw.example/mcps").unwrap();
        let local = Url::parse("http://127.0.0.1:5000").unwrap();
        let cases = [
            (format!("https://gw.example/mcps/s/{id}/mcp"), by_id.clone()),
            (format!("HTTPS://GW.Example:443/mcps/s/{id}/mcp/"), by_id.clone()),
            (format!("https://gw.example/mcps/s/{id}/sse"), by_id.clone()),
            (format!("http://127.0.0.1:5000/s/{id}/mcp"), by_id),
            ("https://gw.example/mcps/abc/s/mcp".to_owned(), by_slug.clone()),
            ("http://127.0.0.1:5000/abc/s/sse/".to_owned(), by_slug),
            ("https://gw.example/mcps".to_owned(), Some(Resource::Gateway)),
            ("http://127.0.0.1:5000/".to_owned(), Some(Resource::Gateway)),
            (format!("https://gw.example/s/{id}/mcp"), None),
            (format!("https://gw.example/mcpsx/s/{id}/mcp"), None),
            (format!("http://gw.example/mcps/s/{id}/mcp"), None),
            (format!("https://gw.example:8443/mcps/s/{id}/mcp"), None),
            (format!("https://gw.example.evil/mcps/s/{id}/mcp"), None),
            (format!("https://gw.example@evil.example/mcps/s/{id}/mcp"), None),
            (format!("https://x@gw.example/mcps/s/{id}/mcp"), None),
            (format!("https://gw.example/mcps/s/{id}/mcp#f"), None),
            (format!("https://gw.example/mcps/s/{id}/mcp?x"), None),
            (format!("https://gw.example/mcps/s/{id}/mcp/tools"), None),
            (format!("https://gw.example/mcps/s/{id}"), None),
            (format!("https://gw.example/mcps//{id}/mcp"), None),
            ("/s/x/mcp".to_owned(), None),
            (String::new(), None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(&text, &[&base, &local]), expected, "{text}");
        }
    }
}
