//! Kernels on timely dataflow: the tick path, the glue that revises, whole graphs.
