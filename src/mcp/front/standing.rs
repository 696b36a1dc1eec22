//! On what a call or a stream stands, and when that gives way.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::{
    FutureExt, StreamExt,
    future::{Either, select},
    stream::LocalBoxStream,
};
use tokio_util::sync::CancellationToken;

use crate::domain::time::Timestamp;

/// Longest wait before the clock is looked at again.
const LOOK: Duration = Duration::from_secs(60);

/// What gives a request the right to be here: its proof of identity and, at somebody else's instance,
/// the share. When one of them is taken back, what is under way ends; when its time is over, streams do.
#[derive(Clone, Default)]
pub struct Standing {
    /// Fires when the proof is taken back.
    pub proof: Option<Arc<CancellationToken>>,
    /// Fires when the share is.
    pub share: Option<Arc<CancellationToken>>,
    /// The end of the one that ends first, where one does.
    pub until: Option<Timestamp>,
}

impl Standing {
    /// Returns when something of it was taken back. Sets no timer: for what is soon over.
    pub async fn revoked(&self) {
        let proof = fired(self.proof.as_deref());
        match &self.share {
            None => proof.await,
            share => tokio::select! {
                () = proof => {}
                () = fired(share.as_deref()) => {}
            },
        }
    }

    /// Returns when something of it was taken back or its time is over.
    pub async fn over(&self) {
        let Some(until) = self.until else { return self.revoked().await };
        let timed_out = async {
            // A clock that is set may make it early or late: looked at again, but not all the time.
            loop {
                let left = until.until(Timestamp::now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LOOK)).await;
            }
        };
        tokio::select! {
            () = self.revoked() => {}
            () = timed_out => {}
        }
    }

    /// What `work` comes to; `None` when something was taken back before.
    pub async fn hold<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        // The work first: most of it is done without ever looking whether it still may.
        match select(pin!(work), pin!(self.revoked())).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }

    /// `stream` for as long as this lasts.
    pub fn bound<T: 'static>(self, stream: LocalBoxStream<'static, T>) -> LocalBoxStream<'static, T> {
        let over = async move { self.over().await }.boxed_local();
        stream.take_until(over).boxed_local()
    }
}

async fn fired(token: Option<&CancellationToken>) {
    match token {
        Some(token) => token.cancelled().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn token() -> Arc<CancellationToken> {
        Arc::new(CancellationToken::new())
    }

    #[tokio::test]
    async fn whatever_gives_way_ends_it() {
        let (proof, share) = (token(), token());
        let standings = [
            (Standing { proof: Some(Arc::clone(&proof)), ..Standing::default() }, &proof),
            (Standing { proof: Some(token()), share: Some(Arc::clone(&share)), until: None }, &share),
        ];
        for (standing, end) in standings {
            let mut bound = standing.clone().bound(stream::pending::<()>().boxed_local());
            assert!(bound.next().now_or_never().is_none() && standing.revoked().now_or_never().is_none());
            assert_eq!(standing.hold(async { 7 }).await, Some(7));
            end.cancel();
            assert_eq!(bound.next().await, None);
            assert_eq!(standing.hold(std::future::pending::<()>()).await, None);
        }
        let past = Standing { until: Some(Timestamp(1)), ..Standing::default() };
        assert_eq!(past.clone().bound(stream::pending::<()>().boxed_local()).next().await, None);
        assert!(past.revoked().now_or_never().is_none(), "time is the streams' to watch");
        assert!(Standing::default().over().now_or_never().is_none());
    }
}
