-- Until now every subscriber was ONLY_PACKET (TS 29.272 §7.3.21), and a combined attach was refused its CS part. A
-- profile whose credentials end (a lifetime, or so many attaches) is one of provisional credentials, which have nothing
-- in the CS domain: it stays as it was. Any other is one of ordinary subscribers.
UPDATE profile SET body = json_set(body, '$.network_access_mode',
    CASE WHEN body ->> '$.lifetime' IS NULL AND body ->> '$.attach_budget' IS NULL
         THEN 'packet-and-circuit' ELSE 'only-packet' END);
