//! A million entries in the audit log: nothing that is asked of it reads them all.

use std::sync::{Arc, Mutex};

use berth::{
    db::{
        Connection, QueryResult,
        audit::{self, Filter},
    },
    domain::{ids::UserId, time::Timestamp},
};
use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, SqliteConnection,
    connection::{InstrumentationEvent, SimpleConnection as _},
    sql_query,
    sql_types::Text,
};
use serde_json::Value;

use super::{TestDb, audit::entry};

const ROWS: i64 = 1_000_000;

#[derive(QueryableByName)]
struct SqliteLine {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct PostgresLine {
    #[diesel(sql_type = Text)]
    #[diesel(column_name = "QUERY PLAN")]
    line: String,
}

/// A million entries of fifty people, a hundred kinds and ten thousand targets.
fn fill(test: &TestDb, people: &[UserId]) {
    let series = match test.url.starts_with("sqlite") {
        true => format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"),
        false => format!("WITH n(i) AS (SELECT * FROM generate_series(1, {ROWS}))"),
    };
    let whose = people.iter().enumerate().map(|(n, id)| format!("WHEN {n} THEN '{id}' ")).collect::<String>();
    let sql = format!(
        "INSERT INTO audit (seq, at, actor, action, target, detail, prev_hash, hash) {series} SELECT i, i * 1000, \
         CASE i % 50 {whose} END, 'action.' || (i % 100), 'instance:' || (i % 10000), '{{}}', '', 'h' FROM n; \
         UPDATE counters SET value = {ROWS} WHERE name = 'audit'; ANALYZE audit;"
    );
    test.write(|c| c.batch_execute(&sql));
}

/// The statements that `work` runs, each with its values.
fn statements<T>(test: &TestDb, work: impl FnOnce(&mut Connection) -> QueryResult<T>) -> Vec<String> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    test.write(|c| {
        c.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                noted.lock().unwrap().push(query.to_string());
            }
        });
        let done = work(c).map(drop);
        c.set_instrumentation(|_: InstrumentationEvent<'_>| {});
        done
    });
    let seen = seen.lock().unwrap();
    seen.iter().filter(|sql| sql.starts_with("SELECT") && sql.contains("audit")).map(|sql| with_values(sql)).collect()
}

/// Diesel shows `… $1 … -- binds: [1]`; a plan is asked for with the values in their places.
fn with_values(shown: &str) -> String {
    let (sql, values) = shown.rsplit_once(" -- binds: ").unwrap();
    let values: Vec<Value> = serde_json::from_str(values).unwrap_or_else(|error| panic!("{error}: {shown}"));
    let mut sql = sql.replace('`', "\"");
    for (index, value) in values.iter().enumerate().rev() {
        sql = sql.replace(&format!("${}", index + 1), &literal(value));
    }
    values.iter().fold(sql, |sql, value| sql.replacen('?', &literal(value), 1))
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Array(items) => format!("ARRAY[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

fn plan(test: &TestDb, sql: &str) -> String {
    if let Some(path) = test.url.strip_prefix("sqlite://") {
        let mut connection = SqliteConnection::establish(path).unwrap();
        let lines = sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load::<SqliteLine>(&mut connection).unwrap();
        return lines.into_iter().map(|line| line.detail + "\n").collect();
    }
    let mut connection = PgConnection::establish(&test.url).unwrap();
    let lines = sql_query(format!("EXPLAIN {sql}")).load::<PostgresLine>(&mut connection).unwrap();
    lines.into_iter().map(|line| line.line + "\n").collect()
}

/// Whether the plan reads the whole table, or sorts what it found instead of stopping at the limit.
fn is_served(plan: &str, may_sort: bool) -> bool {
    let scans = plan.lines().any(|line| line.trim_start().starts_with("SCAN ") && !line.contains("USING"));
    // PostgreSQL sorts the few rows that it has found by the index of a filter.
    let sorts =
        plan.contains("TEMP B-TREE") || (plan.contains("Sort Key") && !plan.contains("Bitmap Index Scan on audit_by_"));
    !scans && !plan.contains("Seq Scan on audit") && (may_sort || !sorts)
}

#[test]
fn a_million_entries_are_listed_filtered_and_added_to_by_index() {
    for test in TestDb::each() {
        let people: Vec<UserId> = (0..50).map(|_| UserId::generate()).collect();
        fill(&test, &people);
        let all = Filter::default;
        let (from, to) = (Some(Timestamp(400_000_000)), Some(Timestamp(500_000_000)));
        let filters = [
            all(),
            Filter { actor: Some(people[7]), ..all() },
            Filter { action: Some("action.3".to_owned()), ..all() },
            Filter { action: Some("no.such".to_owned()), ..all() },
            Filter { target: Some("instance:9".to_owned()), from, ..all() },
            Filter { from, to, ..all() },
            Filter { actor: Some(people[7]), action: Some("action.57".to_owned()), from, to, ..all() },
        ];
        for filter in &filters {
            let mut asked = statements(&test, |c| audit::list(c, filter, 100, Some(900_000)));
            asked.extend(statements(&test, |c| audit::oldest_first(c, filter, 100, 10)));
            for sql in asked {
                let plan = plan(&test, &sql);
                assert!(is_served(&plan, false), "{filter:?}\n{sql}\n{plan}");
            }
        }
        let targets: Vec<String> = (0..20).map(|n| format!("instance:{n}")).collect();
        for sql in statements(&test, |c| audit::about(c, &targets, 100, None)) {
            let plan = plan(&test, &sql);
            assert!(is_served(&plan, true), "{sql}\n{plan}");
        }
        let appended = statements(&test, |c| audit::append(c, &entry("a", None)));
        assert_eq!(appended.len(), 1, "{appended:#?}");
        assert!(is_served(&plan(&test, &appended[0]), false));
        // The measure itself: what has no index is recognised.
        assert!(!is_served(&plan(&test, "SELECT seq FROM audit WHERE detail = 'x'"), true));
        let page = test.read(|c| audit::list(c, &filters[5], 2, None));
        assert_eq!(page.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [499_999, 499_998]);
    }
}
