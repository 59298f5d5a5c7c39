//! The universe: which instruments there are, those whose prices or sizes have scales of their own, and
//! what is done with the others.

use super::check::{choice, within};
use super::raw::Universe;
use super::tree::{ConfigError, Tree, nearest};
use market::{Scale, Scales};
use std::collections::HashMap;

/// Instruments a file may name.
const INSTRUMENTS_MAX: usize = 1_000_000;
const PATH: &str = "universe.file";
const COLUMNS: [&str; 6] =
    ["symbol", "instrument", "asset_class", "calendar", "price_scale", "size_scale"];

/// Scales by symbol, and whether other symbols are refused.
pub(super) fn read_universe(
    tree: &Tree,
    raw: &Universe,
) -> Result<(HashMap<String, Scales>, bool), ConfigError> {
    let at = |key: &str, digits: i64| {
        let path = format!("universe.defaults.{key}");
        within(tree, &path, digits, 0, 18)
            .map(|digits| Scale::new(digits as u8).unwrap_or_default())
    };
    let defaults = Scales {
        price: at("price_scale", raw.defaults.price_scale)?,
        size: at("size_scale", raw.defaults.size_scale)?,
    };
    for (key, given, wanted) in
        [("calendar", &raw.defaults.calendar, "24x7"), ("session", &raw.defaults.session, "all")]
    {
        if given != wanted {
            let path = format!("universe.defaults.{key}");
            return Err(tree.error(&path, format!("only \"{wanted}\" is built yet")));
        }
    }
    let path = "universe.defaults.unknown_symbols";
    let words = [("admit", false), ("refuse", true)];
    let refuse = choice(tree, path, &raw.defaults.unknown_symbols, &words)?;
    let Some(file) = &raw.file else {
        if refuse {
            return Err(tree.error(path, "a universe.file is wanted that names the known ones"));
        }
        return Ok((HashMap::new(), false));
    };
    let text = std::fs::read_to_string(file)
        .map_err(|error| tree.error(PATH, format!("cannot be read as text: {error}")))?;
    let scales = parse(&text, defaults).map_err(|rule| tree.error(PATH, rule))?;
    Ok((scales, refuse))
}

/// Parses the file's text; the message names the line.
fn parse(text: &str, defaults: Scales) -> Result<HashMap<String, Scales>, String> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let (_, header) = lines.next().ok_or("an empty file, wanted a line of column names")?;
    let names: Vec<&str> = cells(header).collect();
    for (index, name) in names.iter().enumerate() {
        if !COLUMNS.contains(name) {
            let near = nearest(name, COLUMNS.into_iter())
                .map(|near| format!(", the nearest is \"{near}\""));
            return Err(format!("unknown column \"{name}\"{}", near.unwrap_or_default()));
        }
        if names[..index].contains(name) {
            return Err(format!("the column \"{name}\" is there twice"));
        }
    }
    let place = |wanted: &str| names.iter().position(|name| *name == wanted);
    let symbol = place("symbol").ok_or("the column \"symbol\" is missing")?;
    let mut universe = HashMap::new();
    for (number, line) in lines {
        let row: Vec<&str> = cells(line).collect();
        if row.len() != names.len() {
            let (given, wanted) = (row.len(), names.len());
            return Err(format!("line {}: {given} cells, wanted {wanted}", number + 1));
        }
        let scale = |column: &str, default: Scale| match place(column).map_or("", |at| row[at]) {
            "" => Ok(default),
            text => text.parse().ok().and_then(Scale::new).ok_or_else(|| {
                format!("line {}: {column} = \"{text}\", wanted 0 to 18 digits", number + 1)
            }),
        };
        let scales = Scales {
            price: scale("price_scale", defaults.price)?,
            size: scale("size_scale", defaults.size)?,
        };
        if row[symbol].is_empty() {
            return Err(format!("line {}: an empty symbol", number + 1));
        }
        if universe.insert(row[symbol].to_owned(), scales).is_some() {
            return Err(format!(
                "line {}: the symbol \"{}\" is there twice",
                number + 1,
                row[symbol]
            ));
        }
        if universe.len() > INSTRUMENTS_MAX {
            return Err(format!("more than {INSTRUMENTS_MAX} instruments"));
        }
    }
    Ok(universe)
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(|cell| cell.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_read_or_the_line_is_named() {
        let scales = parse("symbol,price_scale\nNVDA,4\n.BRL,\n", Scales::default()).unwrap();
        assert_eq!(scales["NVDA"].price.digits(), 4);
        assert_eq!(scales[".BRL"], Scales::default());
        for (bad, message) in [
            ("", "an empty file"),
            ("symbol,pricescale\n", "the nearest is \"price_scale\""),
            ("price_scale\n1\n", "\"symbol\" is missing"),
            ("symbol,price_scale\nA,19\n", "line 2: price_scale = \"19\""),
            ("symbol\nA\n\nA\n", "line 4: the symbol \"A\" is there twice"),
            ("symbol\nA,B\n", "line 2: 2 cells, wanted 1"),
        ] {
            let error = parse(bad, Scales::default()).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
