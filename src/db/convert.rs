//! Between columns and domain types. What cannot be read back is an error that names the column.

use std::{fmt::Display, str::FromStr};

use diesel::{QueryResult, result::Error as QueryError};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// A stored value that no longer reads as what it should be.
#[derive(Debug, Error)]
#[error("column {table}.{column} holds a value that cannot be read: {reason}")]
struct Unreadable {
    table: &'static str,
    column: &'static str,
    reason: String,
}

/// Which column a value comes from.
#[derive(Clone, Copy)]
pub(super) struct At(pub(super) &'static str, pub(super) &'static str);

impl At {
    fn unreadable(self, reason: &impl Display) -> QueryError {
        let Self(table, column) = self;
        QueryError::DeserializationError(Box::new(Unreadable { table, column, reason: reason.to_string() }))
    }

    /// Text with a `FromStr`: ids, names, states.
    pub(super) fn parse<T>(self, text: &str) -> QueryResult<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        text.parse().map_err(|error| self.unreadable(&error))
    }

    /// The same where the column may be null.
    pub(super) fn parse_option<T>(self, text: Option<&str>) -> QueryResult<Option<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        text.map(|text| self.parse(text)).transpose()
    }

    /// A number of a narrower type than the column's.
    pub(super) fn number<T>(self, value: i64) -> QueryResult<T>
    where
        T: TryFrom<i64>,
        T::Error: Display,
    {
        T::try_from(value).map_err(|error| self.unreadable(&error))
    }

    /// The same where the column may be null.
    pub(super) fn number_option<T>(self, value: Option<i64>) -> QueryResult<Option<T>>
    where
        T: TryFrom<i64>,
        T::Error: Display,
    {
        value.map(|value| self.number(value)).transpose()
    }

    /// JSON.
    pub(super) fn json<T: DeserializeOwned>(self, text: &str) -> QueryResult<T> {
        serde_json::from_str(text).map_err(|error| self.unreadable(&error))
    }

    /// The same where the column may be null.
    pub(super) fn json_option<T: DeserializeOwned>(self, text: Option<&str>) -> QueryResult<Option<T>> {
        text.map(|text| self.json(text)).transpose()
    }

    /// The name of an enum's variant as serde writes it, without the quotes.
    pub(super) fn variant<T: DeserializeOwned>(self, text: &str) -> QueryResult<T> {
        serde_json::from_value(serde_json::Value::from(text)).map_err(|error| self.unreadable(&error))
    }
}

/// `value` as JSON text.
pub(super) fn to_json<T: Serialize + ?Sized>(value: &T) -> QueryResult<String> {
    serde_json::to_string(value).map_err(|error| QueryError::SerializationError(Box::new(error)))
}

/// The name of an enum's variant as serde writes it, without the quotes.
pub(super) fn to_variant<T: Serialize>(value: &T) -> QueryResult<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => Ok(name),
        Ok(other) => Err(QueryError::SerializationError(format!("{other} is not the name of a variant").into())),
        Err(error) => Err(QueryError::SerializationError(Box::new(error))),
    }
}

/// Turns "no row was touched" into [`QueryError::NotFound`].
pub(super) const fn require_row(touched: usize) -> QueryResult<()> {
    if touched == 0 { Err(QueryError::NotFound) } else { Ok(()) }
}
