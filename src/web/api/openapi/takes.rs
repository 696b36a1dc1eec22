//! What a route takes besides the variables of its path, and how the document says so.

use utoipa::openapi::{
    Content, ObjectBuilder, RefOr, Required, Schema, Type,
    path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
    request_body::RequestBodyBuilder,
};

/// What a route takes.
pub(super) enum Takes {
    /// Nothing.
    Nothing,
    /// A JSON body: the schema of the type that reads it.
    Json(fn() -> RefOr<Schema>),
    /// A query: the parameters of the type that reads it.
    Query(fn() -> Vec<Parameter>),
    /// A form of these fields.
    Form(&'static [&'static str]),
    /// A query of these words.
    Words(&'static [&'static str]),
}

impl Takes {
    /// `operation`, which takes this.
    pub(super) fn describe(&self, operation: OperationBuilder) -> OperationBuilder {
        match self {
            Self::Nothing => operation,
            Self::Json(schema) => operation.request_body(Some(body("application/json", schema()))),
            Self::Query(parameters) => operation.parameters(Some(parameters())),
            Self::Form(fields) => {
                let object = fields.iter().fold(ObjectBuilder::new(), |object, name| object.property(*name, text()));
                operation.request_body(Some(body("application/x-www-form-urlencoded", Schema::from(object).into())))
            }
            Self::Words(words) => words.iter().fold(operation, |operation, name| {
                let parameter = ParameterBuilder::new().name(*name).parameter_in(ParameterIn::Query);
                operation.parameter(parameter.required(Required::False).schema(Some(text())).build())
            }),
        }
    }
}

/// A string.
pub(super) fn text() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).into()
}

fn body(media: &str, schema: RefOr<Schema>) -> utoipa::openapi::request_body::RequestBody {
    let content = Content::new(Some(schema));
    RequestBodyBuilder::new().content(media, content).required(Some(Required::True)).build()
}
