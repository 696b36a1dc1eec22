//! Whether an owner may have, or start, an instance now: the early answers. What they say is decided again
//! where it counts, in the transaction that makes the instance and at its start.

use crate::{
    actors::Claim,
    catalog::Service,
    domain::{
        ids::{InstanceId, UserId},
        instance::Mode,
        limits::Limits,
        manifest::Launch,
        names::ServiceName,
    },
    web::{
        error::{ApiError, ErrorCode},
        state::AppState,
    },
};

/// Passes when `user` may have instances of this service.
pub(super) async fn allowed_service(state: &AppState, user: UserId, service: &ServiceName) -> Result<(), ApiError> {
    let account = state.authenticator.account(user).await?;
    if account.entitlement.services.allows(service) { Ok(()) } else { Err(ApiError::service_not_allowed(service)) }
}

/// Passes when the owner's quota has a place for a process of such an instance; one without needs none.
pub(super) async fn may_start(
    state: &AppState,
    owner: UserId,
    service: &Service,
    (mode, limits): (Mode, Limits),
    instance: Option<InstanceId>,
) -> Result<(), ApiError> {
    if matches!(service.manifest.launch, Launch::Remote { .. }) || mode == Mode::Shared {
        return Ok(());
    }
    let account = state.authenticator.account(owner).await?;
    let memory_bytes = state.config.runtime.limits(limits, service.manifest.limits).memory_bytes.unwrap_or_default();
    let instance = instance.unwrap_or_else(InstanceId::generate);
    let claim = Claim { user: owner, instance, mark: instance, memory_bytes };
    let given = state.supervisor.may_start(&account.entitlement, &claim);
    given.map_err(|refusal| ApiError::new(ErrorCode::QuotaReached, refusal.to_string()))
}
