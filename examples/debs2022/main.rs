//! Answers both queries of the DEBS 2022 Grand Challenge over its files:
//! `cargo run --release --example debs2022 -- debs2022-gc-trading-day-08-11-21.csv ...`

mod queries;

use queries::{Answers, COLUMNS, CONFIG, WHERE, registry};
use tidemill::Engine;
use tidemill::config::{Config, Override};
use toml::Value;

fn main() -> anyhow::Result<()> {
    let files: Vec<Value> = std::env::args().skip(1).map(Value::from).collect();
    let key = |flag, path, value| Override { flag, path, value };
    let flags = [
        key("FILES", &["source", "files"] as &[&str], Value::Array(files)),
        key("columns", &["source", "columns"], COLUMNS.into()),
        key("where", &["source", "where"], WHERE.into()),
        key("comment", &["source", "comment"], "#".into()),
        // The order of the files is the order of arrival, whatever the trading times say.
        key("order", &["source", "order"], "log".into()),
    ];
    let answers = Answers::default();
    let config = Config::parse("debs2022", CONFIG, &flags, &registry())?;
    let summary = Engine::new(config).sink(Box::new(answers.clone())).run()?;
    println!("window start,symbol,ema 38,ema 100,advice");
    for ((symbol, start), answer) in answers.all() {
        let advice = match answer.advice {
            a if a > 0.0 => "buy",
            a if a < 0.0 => "sell",
            _ => "",
        };
        println!("{start},{symbol},{:.6},{:.6},{advice}", answer.ema_38, answer.ema_100);
    }
    eprint!("{}", summary.text());
    Ok(())
}
