//! UE and MME simulator that shares no cryptography with the AuC.
