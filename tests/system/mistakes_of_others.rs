//! What other home subscriber servers get wrong (INTEROP of Open5GS 2.7/2.8, PyHSS 2.0, OAI/omec, srsRAN 4G, free5GC),
//! each a test named after it, over the wire.

mod free5gc_and_srsran;
mod oai;
mod open5gs;
mod pyhss;
mod worth_having;
