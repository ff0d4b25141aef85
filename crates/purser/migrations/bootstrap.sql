-- Roles, schemas and the grants between them. Run by the database's owner; every statement may be repeated.
DO $$
DECLARE
    service text;
    role_name text;
    service_schema text;
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    FOREACH service IN ARRAY ARRAY['gateway', 'provisioner', 'metering', 'billing'] LOOP
        role_name := 'purser_' || service;
        service_schema := CASE service WHEN 'gateway' THEN 'auth' ELSE service END;
        -- Roles belong to the whole cluster: another database's migration may make them at the same moment.
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I LOGIN', role_name);
                EXECUTE format('ALTER ROLE %I SET search_path = %I', role_name, service_schema);
                EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role_name);
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', service_schema, role_name);
    END LOOP;
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE SCHEMA IF NOT EXISTS history;
CREATE SCHEMA IF NOT EXISTS shared;

-- Each service puts its own views there and grants them to those who read them.
GRANT USAGE, CREATE ON SCHEMA shared TO purser_provisioner, purser_metering, purser_billing;
