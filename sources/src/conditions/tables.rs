//! The codes of the consolidated tapes.
//!
//! Defined by the specifications of the plans, of which they are the columns of consolidated processing (last, high and
//! low, volume):
//!
//! - Tapes A and B: CTA, *CTS Multicast Output Binary Specification*, the matrix of sale conditions.
//! - Tape C: UTP, *UTP Data Feed Services Specification*, the table of sale condition modifiers.
//!
//! Compared with how vendors reproduce them: Polygon's glossary of conditions, dxFeed's and Barchart's tables.
//!
//! Some of their answers depend on what was traded before; a trade is looked at alone here, and has the answer that
//! is the rule rather than the exception:
//!
//! | code | the tables say of last | here |
//! |---|---|---|
//! | `P` `Z` `4`, on tape C `G` `R` too | yes where nothing else qualified that day, else no | no |
//! | `O` on tapes A and B | yes where it is the market's first of the day, else no | yes: so it is |
//! | `L` | yes where the last came from the same market or this is the listing one, else no | yes |
//!
//! `M` and `Q` are a market's official prices beside the trades that made them, and count for nothing.

use market::Updates;

/// Last, high and low, and volume.
const ALL: Updates = Updates::ALL;
/// High and low, and volume: the trade is real, but not the latest.
const UNSEQUENCED: Updates = Updates::HIGH_LOW.or(Updates::VOLUME);
/// Volume alone: the price is none of the market at that moment.
const VOLUME: Updates = Updates::VOLUME;
/// The price alone: its shares were counted before.
const PRICE: Updates = Updates::LAST.or(Updates::HIGH_LOW);
/// Neither: beside the trades.
const NONE: Updates = Updates::NONE;

/// Tapes A and B.
#[rustfmt::skip]
pub(super) const CTA: &[(u8, Updates)] = &[
    (b'@', ALL),         // regular sale
    (b'B', VOLUME),      // average price trade
    (b'C', VOLUME),      // cash trade, cleared the same day
    (b'E', ALL),         // automatic execution
    (b'F', ALL),         // intermarket sweep order
    (b'H', VOLUME),      // price variation trade
    (b'I', VOLUME),      // odd lot trade
    (b'K', ALL),         // rule 127 or 155
    (b'L', ALL),         // sold last, reported late
    (b'M', NONE),        // market center official close
    (b'N', VOLUME),      // next day trade, cleared the next day
    (b'O', ALL),         // market center opening trade
    (b'P', UNSEQUENCED), // prior reference price
    (b'Q', NONE),        // market center official open
    (b'R', VOLUME),      // seller
    (b'T', VOLUME),      // extended hours trade
    (b'U', VOLUME),      // extended hours, sold out of sequence
    (b'V', VOLUME),      // contingent trade
    (b'X', ALL),         // cross trade
    (b'Z', UNSEQUENCED), // sold, out of sequence
    (b'4', UNSEQUENCED), // derivatively priced
    (b'5', ALL),         // market center reopening trade
    (b'6', ALL),         // market center closing trade
    (b'7', VOLUME),      // qualified contingent trade
    (b'9', PRICE),       // corrected consolidated close of the listing market
];

/// Tape C.
#[rustfmt::skip]
pub(super) const UTP: &[(u8, Updates)] = &[
    (b'@', ALL),         // regular sale
    (b'A', ALL),         // acquisition
    (b'B', ALL),         // bunched trade
    (b'C', VOLUME),      // cash sale
    (b'D', ALL),         // distribution
    (b'F', ALL),         // intermarket sweep
    (b'G', UNSEQUENCED), // bunched sold trade
    (b'H', VOLUME),      // price variation trade
    (b'I', VOLUME),      // odd lot trade
    (b'K', ALL),         // rule 155 trade
    (b'L', ALL),         // sold last
    (b'M', NONE),        // market center official close
    (b'N', VOLUME),      // next day
    (b'O', ALL),         // opening prints
    (b'P', UNSEQUENCED), // prior reference price
    (b'Q', NONE),        // market center official open
    (b'R', UNSEQUENCED), // seller
    (b'S', ALL),         // split trade
    (b'T', VOLUME),      // form T
    (b'U', VOLUME),      // extended trading hours, sold out of sequence
    (b'V', VOLUME),      // contingent trade
    (b'W', VOLUME),      // average price trade
    (b'X', ALL),         // cross trade
    (b'Y', ALL),         // yellow flag regular trade
    (b'Z', UNSEQUENCED), // sold, out of sequence
    (b'1', ALL),         // stopped stock, regular trade
    (b'4', UNSEQUENCED), // derivatively priced
    (b'5', ALL),         // reopening prints
    (b'6', ALL),         // closing prints
    (b'7', VOLUME),      // qualified contingent trade
    (b'9', PRICE),       // corrected consolidated close of the listing market
];
