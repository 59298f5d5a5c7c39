//! What is written, what columns it makes, and what is refused with which words.

use super::*;
use proptest::prelude::*;

fn check(text: &str, canonical: &str, columns: &[&str]) {
    let spec = Registry::standard().parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!((spec.to_string().as_str(), spec.outputs()), (canonical, own(columns).as_slice()));
    assert_eq!(Registry::standard().parse(canonical).as_ref(), Ok(&spec));
}

fn own(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn check_error(text: &str, error: &str) {
    assert_eq!(Registry::standard().parse_list(text).unwrap_err().to_string(), error, "{text}");
}

#[test]
fn columns_are_named_after_indicator_and_parameters() {
    check("sma(20)", "sma(20)", &["sma_20"]);
    check(" EMA ( 20 , of = Volume ) ", "ema(20, of=volume)", &["ema_20_volume"]);
    check("ema(of=close, period=12)", "ema(12)", &["ema_12"]);
    check("rsi", "rsi(14)", &["rsi_14"]);
    check("atr()", "atr(14)", &["atr_14"]);
    let macd = ["macd_12_26_9", "macd_signal_12_26_9", "macd_hist_12_26_9"];
    check("macd", "macd(12,26,9)", &macd);
    check("macd(12,26,9)", "macd(12,26,9)", &macd);
    check("bb", "bb(20,2)", &["bb_upper_20_2", "bb_middle_20_2", "bb_lower_20_2"]);
    check("bb(20,2.50)", "bb(20,2.5)", &["bb_upper_20_2p5", "bb_middle_20_2p5", "bb_lower_20_2p5"]);
    check("obv", "obv", &["obv"]);
    check("vwap", "vwap", &["vwap"]);
    check("vwap(session)", "vwap(session)", &["vwap_session"]);
    check("hv(20)", "hv(20,252)", &["hv_20_252"]);
    check("mom(10, of=hl2)", "mom(10, of=hl2)", &["mom_10_hl2"]);
    check("roc(10)", "roc(10)", &["roc_10"]);
}

#[test]
fn a_list_is_split_outside_parentheses() {
    let specs =
        Registry::standard().parse_list("sma(20),ema(20, of=volume), macd(12,26,9),").unwrap();
    let texts: Vec<_> = specs.iter().map(Spec::to_string).collect();
    assert_eq!(texts, ["sma(20)", "ema(20, of=volume)", "macd(12,26,9)"]);
}

#[test]
fn what_is_wrong_is_named() {
    check_error("smaa(20)", "\"smaa\": no such indicator; did you mean sma?");
    check_error(
        "supertrend",
        "\"supertrend\": no such indicator; there are sma, ema, rsi, macd, bb, atr, obv, vwap, hv, mom, roc",
    );
    check_error("sma(0)", "sma: period = \"0\": wanted a whole number of bars from 1 to 100000");
    check_error("sma", "sma: period = \"\": wanted a whole number of bars from 1 to 100000");
    check_error("rsi(1)", "rsi: period = \"1\": wanted a whole number of bars from 2 to 100000");
    check_error(
        "ema(100001)",
        "ema: period = \"100001\": wanted a whole number of bars from 1 to 100000",
    );
    check_error("bb(20,-1)", "bb: deviations = \"-1\": wanted a number above 0 and up to 100");
    check_error("bb(20,nan)", "bb: deviations = \"nan\": wanted a number above 0 and up to 100");
    check_error("macd(26,12)", "macd: fast = \"26\": wanted a period shorter than slow (12)");
    check_error(
        "ema(9, of=volum)",
        "ema: of = \"volum\": wanted one of open, high, low, close, hl2, hlc3, vwap, volume; \
         did you mean volume?",
    );
    check_error("sma(20,3)", "sma: \"3\" is one argument too many; it takes (period, of)");
    check_error("atr(14, of=high)", "atr: \"of=high\" is one argument too many; it takes (period)");
    check_error("obv(3)", "obv: \"3\" is one argument too many; it takes none");
    check_error("vwap(day)", "vwap: parameter = \"day\": wanted session, or nothing");
    check_error("sma(20), sma(020)", "\"sma(20)\" is listed twice");
    for text in ["sma(20", "sma)", "(20)", "sma(2(0))", "sma(20,,3)", "s a(2)", "sma(=3)"] {
        check_error(
            text,
            &format!("\"{text}\": an indicator is written name(parameter, ..., of=field)"),
        );
    }
    let many = (1..=257).map(|n| format!("sma({n})")).collect::<Vec<_>>().join(",");
    check_error(&many, "257 indicators: at most 256 can be computed side by side");
}

proptest! {
    #[test]
    fn noise_is_refused_without_panic(text in ".{0,40}", list in "[a-z(),=. 0-9-]{0,60}") {
        let registry = Registry::standard();
        let _ = registry.parse(&text);
        for spec in registry.parse_list(&list).into_iter().flatten() {
            prop_assert_eq!(registry.parse(&spec.to_string()), Ok(spec));
        }
    }
}
