//! The tables as diesel sees them: only types that both backends have.

diesel::table! {
    counters (name) {
        name -> Text,
        value -> BigInt,
    }
}

diesel::table! {
    settings (key) {
        key -> Text,
        value -> Text,
    }
}

diesel::table! {
    users (id) {
        id -> Text,
        number -> BigInt,
        email -> Text,
        password_hash -> Nullable<Text>,
        role -> Text,
        instance_quota -> Nullable<BigInt>,
        created_at -> BigInt,
        disabled_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        user_id -> Text,
        hash -> Text,
        csrf_hash -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
        last_seen_at -> BigInt,
        user_agent -> Nullable<Text>,
        address -> Nullable<Text>,
    }
}

diesel::table! {
    services (name) {
        name -> Text,
        owner_id -> Nullable<Text>,
        manifest -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    service_updates (name) {
        name -> Text,
        pinned -> Bool,
        previous -> Nullable<Text>,
        changed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    credentials (id) {
        id -> Text,
        user_id -> Text,
        service -> Text,
        label -> Text,
        kind -> Text,
        hint -> Text,
        sealed -> Text,
        key_id -> Text,
        created_at -> BigInt,
        rotated_at -> Nullable<BigInt>,
        previous_sealed -> Nullable<Text>,
        previous_until -> Nullable<BigInt>,
        previous_hint -> Nullable<Text>,
        previous_rotated_at -> Nullable<BigInt>,
        tested_at -> Nullable<BigInt>,
        test_result -> Nullable<Text>,
    }
}

diesel::table! {
    outside_clients (service) {
        service -> Text,
        client_id -> Text,
        sealed_secret -> Nullable<Text>,
        token_url -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    outside_grants (credential_id) {
        credential_id -> Text,
        sealed_refresh -> Nullable<Text>,
        token_url -> Text,
        scope -> Text,
        expires_at -> Nullable<BigInt>,
        refresh_at -> Nullable<BigInt>,
        failures -> BigInt,
        lapsed_at -> Nullable<BigInt>,
        lapsed_why -> Nullable<Text>,
        lease -> Nullable<Text>,
        leased_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    instances (id) {
        id -> Text,
        user_id -> Text,
        service -> Text,
        number -> BigInt,
        slug -> Text,
        label -> Text,
        mode -> Text,
        desired -> Text,
        state -> Text,
        port -> Nullable<BigInt>,
        config -> Text,
        env_sealed -> Nullable<Text>,
        credential_id -> Nullable<Text>,
        limits -> Text,
        created_at -> BigInt,
        started_at -> Nullable<BigInt>,
        expires_at -> Nullable<BigInt>,
        restarts -> BigInt,
        last_error -> Nullable<Text>,
        last_good -> Nullable<Text>,
        idle_seconds -> Nullable<BigInt>,
        debug_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    tokens (id) {
        id -> Text,
        user_id -> Text,
        name -> Text,
        hash -> Text,
        hint -> Text,
        scoped -> Bool,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        tools -> Nullable<Text>,
        read_only -> Bool,
        last_refused_at -> Nullable<BigInt>,
        last_refusal -> Nullable<Text>,
    }
}

diesel::table! {
    token_instances (token_id, instance_id) {
        token_id -> Text,
        instance_id -> Text,
    }
}

diesel::table! {
    events (id) {
        id -> BigInt,
        instance_id -> Text,
        at -> BigInt,
        kind -> Text,
        detail -> Text,
    }
}

diesel::table! {
    audit (seq) {
        seq -> BigInt,
        at -> BigInt,
        actor -> Nullable<Text>,
        action -> Text,
        target -> Text,
        detail -> Text,
        prev_hash -> Text,
        hash -> Text,
    }
}

diesel::table! {
    client_sessions (id) {
        id -> Text,
        instance_id -> Text,
        user_id -> Text,
        transport -> Text,
        version -> Text,
        hello -> Text,
        subscriptions -> Text,
        level -> Nullable<Text>,
        opened_at -> BigInt,
        seen_at -> BigInt,
        bound_to -> Nullable<Text>,
    }
}

diesel::table! {
    connections (id) {
        id -> Text,
        instance_id -> Text,
        client -> Nullable<Text>,
        created_at -> BigInt,
        last_used_at -> BigInt,
    }
}

diesel::table! {
    usage_hours (instance_id, hour) {
        instance_id -> Text,
        hour -> BigInt,
        samples -> BigInt,
        memory_sum -> BigInt,
        memory_max -> BigInt,
        cpu_ms -> BigInt,
        processes_max -> BigInt,
        requests -> BigInt,
    }
}

diesel::table! {
    oauth_grants (id) {
        id -> Text,
        user_id -> Text,
        instance_id -> Text,
        client_id -> Text,
        client_name -> Text,
        resource -> Text,
        scopes -> Text,
        tools -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
        revoked_reason -> Nullable<Text>,
        last_used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    oauth_codes (hash) {
        hash -> Text,
        grant_id -> Text,
        redirect_uri -> Text,
        challenge -> Text,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    oauth_tokens (hash) {
        hash -> Text,
        grant_id -> Text,
        kind -> Text,
        scopes -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    oauth_clients (id) {
        id -> Text,
        origin -> Text,
        name -> Text,
        redirect_uris -> Text,
        grant_types -> Text,
        authentication -> Text,
        secret_hash -> Nullable<Text>,
        jwks -> Nullable<Text>,
        jwks_uri -> Nullable<Text>,
        homepage -> Nullable<Text>,
        owner_id -> Nullable<Text>,
        metadata -> Text,
        registration_hash -> Nullable<Text>,
        created_at -> BigInt,
        last_used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    oauth_devices (device_hash) {
        device_hash -> Text,
        user_hash -> Text,
        client_id -> Text,
        instance_id -> Text,
        scopes -> Text,
        resource -> Text,
        state -> Text,
        user_id -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
        pace_seconds -> BigInt,
        polled_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    oauth_assertions (client_id, jti_hash) {
        client_id -> Text,
        jti_hash -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    login_links (hash) {
        hash -> Text,
        purpose -> Text,
        user_id -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    identities (provider, subject) {
        provider -> Text,
        subject -> Text,
        user_id -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    totp (user_id) {
        user_id -> Text,
        sealed -> Text,
        created_at -> BigInt,
        confirmed_at -> Nullable<BigInt>,
        last_step -> BigInt,
    }
}

diesel::table! {
    recovery_codes (user_id, hash) {
        user_id -> Text,
        hash -> Text,
    }
}

diesel::table! {
    notifications (id) {
        id -> Text,
        user_id -> Text,
        at -> BigInt,
        kind -> Text,
        subject -> Text,
        title -> Text,
        detail -> Text,
        listed -> Bool,
        read_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    notification_preferences (user_id, kind) {
        user_id -> Text,
        kind -> Text,
        app -> Bool,
        mail -> Bool,
        webhook -> Bool,
    }
}

diesel::table! {
    webhooks (id) {
        id -> Text,
        user_id -> Text,
        url -> Text,
        sealed -> Text,
        created_at -> BigInt,
        failing_since -> Nullable<BigInt>,
        disabled_at -> Nullable<BigInt>,
        last_at -> Nullable<BigInt>,
        last_status -> Nullable<Text>,
    }
}

diesel::table! {
    deliveries (id) {
        id -> Text,
        notification_id -> Text,
        user_id -> Text,
        webhook_id -> Nullable<Text>,
        way -> Text,
        attempts -> BigInt,
        next_at -> BigInt,
    }
}

diesel::table! {
    removals (user_id) {
        user_id -> Text,
        removed_at -> BigInt,
        erase_at -> BigInt,
        disabled_at -> Nullable<BigInt>,
        running -> Text,
    }
}

diesel::table! {
    shares (id) {
        id -> Text,
        instance_id -> Text,
        guest_id -> Text,
        tools -> Nullable<Text>,
        read_only -> Bool,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    user_grants (user_id) {
        user_id -> Text,
        quota -> Text,
        services -> Nullable<Text>,
    }
}

diesel::table! {
    groups (id) {
        id -> Text,
        name -> Text,
        description -> Text,
        quota -> Text,
        services -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::table! {
    group_members (group_id, user_id) {
        group_id -> Text,
        user_id -> Text,
    }
}

diesel::table! {
    creations (instance_id) {
        instance_id -> Text,
        user_id -> Text,
        at -> BigInt,
    }
}

diesel::table! {
    usage_days (user_id, service, day) {
        user_id -> Text,
        service -> Text,
        day -> BigInt,
        email -> Text,
        calls -> BigInt,
        errors -> BigInt,
        micros_sum -> BigInt,
        latency -> Text,
    }
}

diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(instances -> users (user_id));
diesel::joinable!(tokens -> users (user_id));
diesel::joinable!(token_instances -> tokens (token_id));
diesel::joinable!(oauth_grants -> users (user_id));
diesel::joinable!(oauth_codes -> oauth_grants (grant_id));
diesel::joinable!(oauth_tokens -> oauth_grants (grant_id));
diesel::joinable!(identities -> users (user_id));
diesel::joinable!(outside_grants -> credentials (credential_id));
diesel::joinable!(shares -> instances (instance_id));
diesel::joinable!(group_members -> groups (group_id));
diesel::joinable!(group_members -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(users, sessions, instances, tokens, token_instances, identities, shares);
diesel::allow_tables_to_appear_in_same_query!(users, oauth_grants, oauth_codes, oauth_tokens);
diesel::allow_tables_to_appear_in_same_query!(outside_grants, credentials, instances);
diesel::allow_tables_to_appear_in_same_query!(users, groups, group_members);
