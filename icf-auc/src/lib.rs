//! Initial Connectivity Function: HSS/AuC for provisional IMSIs over S6a.
