//! Ticks from files and a simulator, decoded ahead, admitted in log order.
