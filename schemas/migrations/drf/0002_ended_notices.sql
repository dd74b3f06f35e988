-- Notices that wait for nothing are forgotten, the oldest first; those that wait are not looked at for that.
CREATE INDEX notice_ended ON notice (received_at) WHERE state <> 'waiting';
DROP INDEX notice_received;
