//! Lists of texts as one text each, their items separated by spaces: what sale conditions are in some files.

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, GenericListArray, OffsetSizeTrait, StringArray};
use arrow_schema::{DataType, Field};

/// Whether lists of such items can be read.
pub(super) fn is_text(item: &Field) -> bool {
    use DataType as D;
    match item.data_type() {
        D::Utf8 | D::LargeUtf8 => true,
        D::Dictionary(keys, values) => **keys == D::Int32 && **values == D::Utf8,
        _ => false,
    }
}

/// The lists as texts; a list that is null is null.
pub(super) fn joined(lists: &ArrayRef) -> Option<StringArray> {
    match lists.data_type() {
        DataType::List(_) => of(lists.as_list_opt::<i32>()?),
        _ => of(lists.as_list_opt::<i64>()?),
    }
}

fn of<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> Option<StringArray> {
    let items = texts(lists.values())?;
    let mut joined = StringBuilder::with_capacity(lists.len(), items.value_data().len());
    let mut text = String::new();
    for (row, ends) in lists.offsets().windows(2).enumerate() {
        if lists.is_null(row) {
            joined.append_null();
            continue;
        }
        text.clear();
        for item in ends[0].as_usize()..ends[1].as_usize() {
            if item >= items.len() || items.is_null(item) {
                continue;
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(items.value(item));
        }
        joined.append_value(&text);
    }
    Some(joined.finish())
}

fn texts(items: &ArrayRef) -> Option<StringArray> {
    match items.data_type() {
        DataType::Utf8 => items.as_string_opt::<i32>().cloned(),
        DataType::LargeUtf8 => Some(items.as_string_opt::<i64>()?.iter().collect()),
        _ => {
            let keyed = items.as_dictionary_opt::<Int32Type>()?;
            let values: &StringArray = keyed.values().as_string_opt()?;
            let text = |key: Option<usize>| {
                key.filter(|key| *key < values.len() && values.is_valid(*key))
                    .map(|key| values.value(key))
            };
            Some((0..keyed.len()).map(|at| text(keyed.key(at))).collect())
        }
    }
}
