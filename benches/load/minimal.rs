//! The yardstick: the least that an actix-web server can do with such a request.

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Result;

const ANSWER: &str =
    r#"{"jsonrpc":"2.0","id":123456,"result":{"content":[{"type":"text","text":"a text of the usual size"}]}}"#;

/// Answers every POST with the same JSON, from two workers, until killed.
pub(crate) fn serve(port: u16) -> Result<()> {
    let run = async move {
        HttpServer::new(|| App::new().route("/mcp", web::post().to(answer)))
            .workers(2)
            .bind(("127.0.0.1", port))?
            .run()
            .await
    };
    Ok(actix_web::rt::System::new().block_on(run)?)
}

/// Takes the whole body, as any handler must.
async fn answer(_body: web::Bytes) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(ANSWER)
}
