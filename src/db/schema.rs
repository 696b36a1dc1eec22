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

diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(instances -> users (user_id));
diesel::joinable!(tokens -> users (user_id));
diesel::joinable!(token_instances -> tokens (token_id));
diesel::joinable!(shares -> instances (instance_id));
diesel::allow_tables_to_appear_in_same_query!(shares, instances);
diesel::allow_tables_to_appear_in_same_query!(shares, users);
diesel::allow_tables_to_appear_in_same_query!(users, sessions, instances, tokens, token_instances);
