//! Logs and metrics.
//!
//! Logs go to standard error through env_logger, as text or as one JSON object per line. Metrics are
//! plain atomics on the data plane; the OpenMetrics text is made when it is asked for.

mod logging;
mod metrics;

pub use self::{
    logging::init_logging,
    metrics::{Gauges, Metrics},
};
