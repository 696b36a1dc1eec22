//! Filling the holes of a draft: with templates of ours, with fields, with places for secrets.

use std::collections::BTreeMap;

use url::Url;

use super::{
    Done, Given, Need, Start,
    slots::{Place, Slot, choose, is_usual, kind},
};
use crate::{
    catalog::import::{
        naming::field_key,
        secrets::{has_credentials, is_secret, is_secret_name, looks_secret},
        text::{Hole, Piece, Text},
    },
    domain::{
        manifest::{ConfigField, CredentialSpec, Launch},
        secret::Secret,
    },
};

/// What has been filled so far.
#[derive(Default)]
pub(super) struct Filling {
    fields: Vec<ConfigField>,
    given: Given,
    needs: Vec<Need>,
    slots: Vec<Slot>,
    notes: Vec<String>,
    /// Headers and URL of a remote server, as long as its secrets have no place.
    headers: BTreeMap<String, String>,
    url: Option<Text>,
}

impl Filling {
    /// The way to start it. That of a remote server is made at the end, when it is known where its secrets go.
    pub(super) fn launch(&mut self, start: Start) -> Result<(Option<Launch>, Option<Vec<String>>), String> {
        Ok(match start {
            Start::Npm { package, version, entry, runtime_args, args } => {
                let flags = self.arguments(runtime_args)?;
                let args = self.arguments(args)?;
                (Some(Launch::Npm { package, version, entry, args }), Some(flags).filter(|flags| !flags.is_empty()))
            }
            Start::Pypi { package, version, entry, args } => {
                let args = self.arguments(args)?;
                (Some(Launch::Pypi { package, version, entry, args }), None)
            }
            Start::Command { command, args } => {
                let args = self.arguments(args)?;
                (Some(Launch::Command { command, args }), None)
            }
            Start::Bundle { sha256, command, args } => {
                let args = self.arguments(args)?;
                (Some(Launch::Bundle { sha256, command, args }), None)
            }
            Start::Remote { url, user, headers } => {
                self.remote(url, user, headers);
                (None, None)
            }
        })
    }

    /// Arguments are public on a host, so no secret may be one.
    fn arguments(&mut self, args: Vec<Text>) -> Result<Vec<String>, String> {
        let mut before = String::new();
        let mut filled = Vec::with_capacity(args.len());
        for (index, arg) in args.into_iter().enumerate() {
            let literal = arg.literal().unwrap_or_else(|| arg.start().to_owned());
            let (flag, value) = literal.split_once('=').unwrap_or((before.as_str(), &literal));
            let named = flag.starts_with('-') && is_secret_name(flag) && !value.starts_with('-');
            let secret = arg.has_secret()
                || named && is_secret(flag, value)
                || named && arg.holes().next().is_some()
                || looks_secret(value)
                || has_credentials(&literal);
            if secret {
                let which = if flag.starts_with('-') { format!(" ({flag})") } else { String::new() };
                return Err(format!(
                    "argument {}{which} is a secret, and arguments are public on a host: give it by a variable in `env`, \
                     if the server knows one",
                    index + 1
                ));
            }
            filled.push(self.public(&arg, &format!("argument-{}", index + 1)));
            before = literal;
        }
        Ok(filled)
    }

    /// The variables that are no secrets; the others become slots.
    pub(super) fn environment(&mut self, env: Vec<(String, Text)>) -> Result<BTreeMap<String, String>, String> {
        let mut public = BTreeMap::new();
        for (name, text) in env {
            let text = with_secrets(&name, text);
            if text.has_secret() {
                let text = text.with_one_secret(&name);
                self.slots.push(Slot { place: Place::Env(name), text });
            } else {
                let value = self.public(&text, &name);
                public.insert(name, value);
            }
        }
        Ok(public)
    }

    fn remote(&mut self, url: Text, user: Option<Hole>, headers: Vec<(String, Text)>) {
        if let Some(hole) = user {
            self.slots.push(Slot { place: Place::User, text: Text::hole(hole) });
        }
        for (name, text) in headers {
            let text = with_secrets(&name, text);
            if text.has_secret() {
                let text = text.with_one_secret(&name);
                self.slots.push(Slot { place: Place::Header(name), text });
            } else {
                let value = self.public(&text, &name);
                self.headers.insert(name, value);
            }
        }
        for hole in url.holes().filter(|hole| hole.secret) {
            self.slots.push(Slot { place: Place::Url, text: Text::hole(hole.clone()) });
        }
        self.url = Some(url);
    }

    /// The template of a text without secrets; what has to be filled in becomes a field.
    fn public(&mut self, text: &Text, at: &str) -> String {
        let pieces = text.0.iter().map(|piece| match piece {
            Piece::Plain(text) | Piece::Template(text) => text.clone(),
            Piece::Hole(hole) => format!("{{config.{}}}", self.field(hole, at)),
        });
        pieces.collect()
    }

    /// The key of the field for a hole: the same for the same hole.
    fn field(&mut self, hole: &Hole, at: &str) -> String {
        let base = if hole.key == "literal" { field_key(&format!("{at}-text")) } else { field_key(&hole.key) };
        let wanted = |key: &str| ConfigField {
            name: key.to_owned(),
            label: hole.label.clone(),
            help: hole.help.clone(),
            default: hole.default.clone(),
            required: hole.required && hole.default.is_none(),
        };
        let keys = std::iter::once(base.clone()).chain((2..).map(|number| format!("{base}-{number}")));
        for key in keys {
            let field = wanted(&key);
            match self.fields.iter().find(|known| known.name == key) {
                Some(known) if *known == field && self.given.config.get(&key) == hole.value.as_ref() => return key,
                Some(_) => {}
                None => {
                    self.add_field(field, hole);
                    return key;
                }
            }
        }
        base
    }

    fn add_field(&mut self, field: ConfigField, hole: &Hole) {
        if let Some(value) = &hole.value {
            self.given.config.insert(field.name.clone(), value.clone());
        }
        self.needs.push(Need {
            name: hole.key.clone(),
            place: format!("config.{}", field.name),
            help: hole.help.clone(),
            required: field.required,
            secret: false,
            given: hole.value.is_some() || hole.default.is_some(),
        });
        self.fields.push(field);
    }

    /// Gives each secret its place.
    pub(super) fn done(mut self, launch: Option<Launch>, mut env: BTreeMap<String, String>) -> Result<Done, String> {
        let slots = std::mem::take(&mut self.slots);
        let chosen = choose(&slots);
        let mut credential = CredentialSpec::default();
        let mut in_url = BTreeMap::new();
        for (index, slot) in slots.iter().enumerate() {
            let (template, place) = if chosen == Some(index) {
                credential.kind = kind(slot);
                credential.label =
                    Some(slot.hole().label).filter(|label| !label.is_empty()).or_else(|| Some(slot.name()));
                credential.help = Some(slot.hole().help).filter(|help| !help.is_empty());
                self.given.credential = slot.hole().value.map(Secret::new);
                ("{credential}".to_owned(), "credential".to_owned())
            } else {
                (format!("{{env.{}}}", slot.variable()), format!("env.{}", slot.variable()))
            };
            self.need(slot, place);
            self.put(slot, &template, (&mut env, &mut credential), &mut in_url);
        }
        let launch = match (launch, self.url.take()) {
            (Some(launch), _) => launch,
            (None, url) => self.remote_launch(&url.unwrap_or_default(), &in_url)?,
        };
        let Self { fields, given, needs, notes, .. } = self;
        Ok(Done { launch, env, credential, fields, given, needs, notes })
    }

    fn need(&mut self, slot: &Slot, place: String) {
        let hole = slot.hole();
        self.needs.push(Need {
            name: slot.name(),
            place,
            help: hole.help.clone(),
            required: hole.required,
            secret: true,
            given: hole.value.is_some(),
        });
    }

    /// Puts `template` where the secret belongs.
    fn put(
        &mut self,
        slot: &Slot,
        template: &str,
        (env, credential): (&mut BTreeMap<String, String>, &mut CredentialSpec),
        in_url: &mut BTreeMap<String, String>,
    ) {
        let is_credential = template == "{credential}";
        match &slot.place {
            Place::Env(name) if is_credential && slot.is_bare() => credential.env = Some(name.clone()),
            Place::Env(name) if is_credential => {
                let value = self.around(slot, template);
                env.insert(name.clone(), value);
            }
            // The process gets the instance's variables as they are.
            Place::Env(name) => {
                if let Some(value) = slot.text.value() {
                    self.given.env.insert(name.clone(), Secret::new(value));
                }
            }
            Place::Header(name) if is_credential && is_usual(slot, name) => credential.header = Some(name.clone()),
            Place::Header(name) => {
                let value = self.around(slot, template);
                self.headers.insert(name.clone(), value);
                self.give(slot, is_credential);
            }
            Place::User => credential.header = Some("Authorization".to_owned()),
            Place::Url => {
                in_url.insert(slot.hole().key, template.to_owned());
                self.give(slot, is_credential);
            }
        }
    }

    /// The whole text of a slot with `template` in place of its secret.
    fn around(&mut self, slot: &Slot, template: &str) -> String {
        let pieces = slot.text.0.iter().map(|piece| match piece {
            Piece::Plain(text) | Piece::Template(text) => text.clone(),
            Piece::Hole(hole) if hole.secret => template.to_owned(),
            Piece::Hole(hole) => format!("{{config.{}}}", self.field(hole, &slot.name())),
        });
        pieces.collect()
    }

    /// What the document gives of a secret that is a variable.
    fn give(&mut self, slot: &Slot, is_credential: bool) {
        if let Some(value) = slot.hole().value.filter(|_| !is_credential) {
            self.given.env.insert(slot.variable(), Secret::new(value));
        }
    }

    fn remote_launch(&mut self, url: &Text, in_url: &BTreeMap<String, String>) -> Result<Launch, String> {
        let mut text = String::new();
        for piece in &url.0 {
            match piece {
                Piece::Plain(part) | Piece::Template(part) => text.push_str(part),
                Piece::Hole(hole) if hole.secret => text.push_str(in_url.get(&hole.key).map_or("", String::as_str)),
                Piece::Hole(hole) => text.push_str(&format!("{{config.{}}}", self.field(hole, "url"))),
            }
        }
        let url: Url = text.parse().map_err(|_| "its URL is none".to_owned())?;
        let authority = url.host_str().unwrap_or_default();
        if authority.contains('{') || !matches!(url.scheme(), "http" | "https") {
            return Err("the host of its URL is to be filled in, or it is no http URL: say which, and import it again"
                .to_owned());
        }
        Ok(Launch::Remote { url, headers: std::mem::take(&mut self.headers) })
    }
}

/// A value that is a secret, as a hole that is filled with it; `Bearer` stays outside.
fn with_secrets(name: &str, text: Text) -> Text {
    let Some(literal) = text.literal() else {
        return if is_secret_name(name) && !text.has_secret() { text.all_secret() } else { text };
    };
    if !is_secret(name, &literal) {
        return text;
    }
    match literal
        .strip_prefix("Bearer ")
        .filter(|token| name.eq_ignore_ascii_case("authorization") && !token.is_empty())
    {
        Some(token) => Text::plain("Bearer ").then(Text::hole(Hole::found(name, token))),
        None => Text::hole(Hole::found(name, &literal)),
    }
}
