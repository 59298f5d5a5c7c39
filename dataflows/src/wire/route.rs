//! Who gets what: partials go to the worker of their symbol's key group, what leaves to worker 0.

use super::{Names, Partials, Shared};
use market::Symbols;
use timely::communication::Push;
use timely::dataflow::channels::Message;
use timely::dataflow::channels::pushers::exchange::Distributor;

/// Rows that wait for one worker before they are sent.
const ROWS_MAX: usize = 8_192;

/// Spreads partials by key group.
pub struct Route {
    symbols: Symbols,
    /// Worker by symbol id, as far as it was looked up.
    workers: Vec<u32>,
    waiting: Vec<Partials>,
}

/// The worker, of `peers`, that holds what belongs to a key group.
pub fn owner(group: u8, peers: usize) -> usize {
    usize::from(group) % peers
}

impl Route {
    /// A route to `peers` workers.
    pub fn new(symbols: Symbols, peers: usize) -> Self {
        let empty = || Partials { names: Names::Here(symbols.clone()), ..Partials::default() };
        let waiting = (0..peers).map(|_| empty()).collect();
        Route { symbols, workers: Vec::new(), waiting }
    }

    fn worker(&mut self, symbol: market::SymbolId, peers: usize) -> usize {
        for id in self.workers.len()..=symbol.index() {
            let group = self.symbols.group(market::SymbolId::from_index(id as u32));
            self.workers.push(owner(group, peers) as u32);
        }
        self.workers[symbol.index()] as usize
    }

    fn send<T: Clone, P: Push<Message<T, Partials>>>(&mut self, to: usize, time: &T, push: &mut P) {
        if self.waiting[to].is_empty() {
            return;
        }
        Message::push_at(&mut self.waiting[to], time.clone(), push);
        self.waiting[to] =
            Partials { names: Names::Here(self.symbols.clone()), ..Partials::default() };
    }
}

impl Distributor<Partials> for Route {
    fn partition<T: Clone, P: Push<Message<T, Partials>>>(
        &mut self,
        container: &mut Partials,
        time: &T,
        pushers: &mut [P],
    ) {
        let peers = pushers.len();
        if peers == 1 {
            Message::push_at(container, time.clone(), &mut pushers[0]);
            return;
        }
        for row in container.rows.drain(..) {
            let to = self.worker(row.symbol, peers);
            self.waiting[to].rows.push(row);
            if self.waiting[to].rows.len() >= ROWS_MAX {
                self.send(to, time, &mut pushers[to]);
            }
        }
        for pooled in container.pooled.drain(..) {
            for stamped in &pooled.trades {
                let to = self.worker(stamped.trade.symbol, peers);
                let trades = self.waiting[to].pooled_as(&pooled);
                trades.push(*stamped);
                if trades.len() >= ROWS_MAX {
                    self.send(to, time, &mut pushers[to]);
                }
            }
        }
        for (to, reach) in container.reaches.drain(..) {
            self.waiting[to as usize].reaches.push((to, reach));
        }
        for left in container.left.drain(..) {
            self.waiting[left.0 as usize].left.push(left);
        }
    }

    fn flush<T: Clone, P: Push<Message<T, Partials>>>(&mut self, time: &T, pushers: &mut [P]) {
        for (to, pusher) in pushers.iter_mut().enumerate() {
            self.send(to, time, pusher);
        }
    }
}

/// Hands whole parcels to worker 0.
pub struct ToFirst;

impl Distributor<Shared> for ToFirst {
    fn partition<T: Clone, P: Push<Message<T, Shared>>>(
        &mut self,
        container: &mut Shared,
        time: &T,
        pushers: &mut [P],
    ) {
        Message::push_at(container, time.clone(), &mut pushers[0]);
    }

    fn flush<T: Clone, P: Push<Message<T, Shared>>>(&mut self, _time: &T, _pushers: &mut [P]) {}
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
