//! What people are told: the kinds, and what there is to say.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    ids::{GrantId, InstanceId},
    metering::Day,
    names::Email,
    time::Timestamp,
};

/// What something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// An instance expires soon.
    ExpiryNear,
    /// An instance has expired.
    Expired,
    /// An instance has failed and is not started again by itself.
    InstanceFailed,
    /// An instance met one of its limits, or its owner a quota.
    LimitHit,
    /// A credential was not rotated for long.
    CredentialAging,
    /// An outside service takes what somebody has granted Berth there no more.
    ConsentNeeded,
    /// Somebody signed in from where nobody did before.
    NewSignIn,
    /// Somebody shares an instance.
    ShareReceived,
    /// A client was allowed to use an instance.
    OauthGrant,
    /// A webhook was disabled because nothing arrives there.
    WebhookDisabled,
}

/// The ways in which somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels {
    /// In the list of the app, and on its stream.
    pub app: bool,
    /// By mail.
    pub mail: bool,
    /// At their webhooks.
    pub webhook: bool,
}

const MINUTE: u64 = 60;
const DAY: u64 = 86_400;

impl NoticeKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::ExpiryNear,
        Self::Expired,
        Self::InstanceFailed,
        Self::LimitHit,
        Self::CredentialAging,
        Self::ConsentNeeded,
        Self::NewSignIn,
        Self::ShareReceived,
        Self::OauthGrant,
        Self::WebhookDisabled,
    ];

    /// The name that the API and the database use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExpiryNear => "expiry_near",
            Self::Expired => "expired",
            Self::InstanceFailed => "instance_failed",
            Self::LimitHit => "limit_hit",
            Self::CredentialAging => "credential_aging",
            Self::ConsentNeeded => "consent_needed",
            Self::NewSignIn => "new_sign_in",
            Self::ShareReceived => "share_received",
            Self::OauthGrant => "oauth_grant",
            Self::WebhookDisabled => "webhook_disabled",
        }
    }

    /// For how long the same is not told again about the same thing.
    #[must_use]
    pub const fn window(self) -> Duration {
        match self {
            Self::InstanceFailed | Self::LimitHit => Duration::from_secs(60 * MINUTE),
            Self::ShareReceived | Self::OauthGrant | Self::WebhookDisabled => Duration::from_secs(MINUTE),
            Self::ConsentNeeded => Duration::from_secs(DAY),
            // Their subject names the moment or the place: told once as long as it is remembered.
            Self::ExpiryNear | Self::Expired | Self::CredentialAging | Self::NewSignIn => Duration::from_secs(90 * DAY),
        }
    }

    /// The ways that are taken unless a user wants others. By mail goes what may cost them something while they
    /// do not look.
    #[must_use]
    pub const fn default_channels(self) -> Channels {
        let mail = matches!(
            self,
            Self::ExpiryNear
                | Self::InstanceFailed
                | Self::CredentialAging
                | Self::ConsentNeeded
                | Self::WebhookDisabled
        );
        Channels { app: true, mail, webhook: !matches!(self, Self::WebhookDisabled) }
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for NoticeKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| format!("unknown kind {text:?}"))
    }
}

/// Something to tell one person.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// The thing that it is about, such as `instance:{id}`: the same is not told twice in a while.
    pub subject: String,
    /// One sentence for a person, without a full stop.
    pub title: String,
    /// More, for programs; never a secret.
    pub detail: Value,
}

impl Notice {
    /// A sign-in with a browser that calls itself `agent`, from `address`.
    #[must_use]
    pub fn sign_in(agent: &str, address: &str) -> Self {
        let agent: String = agent.chars().take(200).collect();
        Self {
            kind: NoticeKind::NewSignIn,
            subject: format!("sign_in:{address}:{agent}"),
            title: format!("There was a sign-in to your account from {address}"),
            detail: json!({ "address": address, "user_agent": agent }),
        }
    }

    /// An instance that `owner` shares.
    #[must_use]
    pub fn shared(instance: InstanceId, owner: &Email) -> Self {
        Self {
            kind: NoticeKind::ShareReceived,
            subject: format!("instance:{instance}"),
            title: format!("{owner} shares an instance with you"),
            detail: json!({ "instance": instance, "owner": owner }),
        }
    }

    /// All calls that an account may make on a day.
    #[must_use]
    pub fn calls_used_up(day: Day, quota: u64) -> Self {
        let end = day.end();
        Self {
            kind: NoticeKind::LimitHit,
            subject: format!("calls:{day}"),
            title: format!("The {quota} calls that you may make on a day are used up until midnight, UTC"),
            detail: json!({ "quota": "calls_per_day", "allowed": quota, "resets_at": end }),
        }
    }

    /// A client that was allowed to use an instance: whoever did not do that knows that somebody else did.
    #[must_use]
    pub fn granted(grant: GrantId, client: &str, instance: InstanceId) -> Self {
        let client: String = client.chars().take(200).collect();
        Self {
            kind: NoticeKind::OauthGrant,
            subject: format!("grant:{grant}"),
            title: format!("{client:?} may use one of your instances now"),
            detail: json!({ "grant": grant, "client": client, "instance": instance }),
        }
    }
}

/// Something that happened to an instance and is recorded.
#[derive(Clone, Debug)]
pub struct Happening {
    /// To which.
    pub instance: InstanceId,
    /// When.
    pub at: Timestamp,
    /// What, as the instance's events have it.
    pub kind: &'static str,
    /// More about it.
    pub detail: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_alike_everywhere() {
        for kind in NoticeKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert!("".parse::<NoticeKind>().is_err());
    }
}
