//! What proving who asks costs a call whose token is known already, beside the one hash that it cannot do without.
//!
//! Both are timed in turns, in this process and on one thread: the difference is what remembering, the look at the
//! clock and the notes of use cost. What a token costs that is not known is told, too, once: that asks the database.

use std::{hint::black_box, sync::Arc, time::Instant};

use anyhow::{Context as _, Result};
use berth::{
    auth::{Authenticator, limits::Ledger, tokens::TokenHash},
    db::Db,
    domain::quota::Quota,
};

/// How often each is done in a round.
const CALLS: u32 = 100_000;
const ROUNDS: usize = 9;

pub(crate) fn run(database: &str, token: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let authenticator = Authenticator::new(Db::open(database)?, Quota::default(), Arc::new(Ledger::default()));
    let header = format!("Bearer {token}");
    let began = Instant::now();
    runtime.block_on(authenticator.bearer(&header)).context("this token is not good there")?;
    let unknown = began.elapsed();
    let (mut hashes, mut proofs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        hashes.push(nanoseconds(|| {
            for _ in 0..CALLS {
                black_box(TokenHash::of(black_box(token)));
            }
            Ok(())
        })?);
        proofs.push(nanoseconds(|| {
            runtime.block_on(async {
                for _ in 0..CALLS {
                    black_box(authenticator.bearer(black_box(&header)).await?);
                }
                Ok(())
            })
        })?);
    }
    let (hash, proof) = (median(hashes), median(proofs));
    println!(
        "a known token: {:.2} us, {:.2} x its hash alone ({:.2} us); not known yet: {:.0} us, once",
        proof / 1000.0,
        proof / hash,
        hash / 1000.0,
        unknown.as_secs_f64() * 1e6
    );
    Ok(())
}

/// Of one call, on average.
fn nanoseconds(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
