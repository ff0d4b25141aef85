-- Roles, schemas and the grants between them. Run by the database's owner; every statement may be repeated.
DO $$
DECLARE
    service text;
BEGIN
    FOREACH service IN ARRAY ARRAY['gateway', 'provisioner', 'metering', 'billing'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'purser_' || service) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', 'purser_' || service);
        END IF;
    END LOOP;
    FOR service IN SELECT unnest(ARRAY['gateway', 'provisioner', 'metering', 'billing']) LOOP
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), 'purser_' || service);
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE SCHEMA IF NOT EXISTS auth AUTHORIZATION purser_gateway;
CREATE SCHEMA IF NOT EXISTS provisioner AUTHORIZATION purser_provisioner;
CREATE SCHEMA IF NOT EXISTS metering AUTHORIZATION purser_metering;
CREATE SCHEMA IF NOT EXISTS billing AUTHORIZATION purser_billing;
CREATE SCHEMA IF NOT EXISTS history;
CREATE SCHEMA IF NOT EXISTS shared;

-- Each service puts its own views there and grants them to those who read them.
GRANT USAGE, CREATE ON SCHEMA shared TO purser_provisioner, purser_metering, purser_billing;
