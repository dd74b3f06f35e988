-- What the serving node told of itself and of the UE with the update of location, as JSON: Supported-Features,
-- MME-Number-for-MT-SMS of an MME that is registered for SMS, Homogeneous-Support-of-IMS-Voice-Over-PS-Sessions,
-- UE-SRVCC-Capability (TS 29.272 §7.3.10, §7.3.159, §7.3.107, §7.3.130). NULL: nothing.
ALTER TABLE registration ADD COLUMN node_report TEXT;
