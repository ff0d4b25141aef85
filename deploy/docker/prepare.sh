#!/bin/sh
# Runs before everything else: makes the secrets once, keeps them in the volume `secrets`, and writes for each container
# the files that it alone may read. Everything but the secrets is written anew at each start, from the environment.
set -eu
umask 077

# Prints the secret of this name, which is made the first time: 48 hex digits.
secret() {
    if [ ! -s "/secrets/$1" ]; then
        od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"/secrets/$1.new"
        mv "/secrets/$1.new" "/secrets/$1"
    fi
    cat "/secrets/$1"
}

if [ ! -s /secrets/sealing.key ]; then
    head -c 32 /dev/urandom | base64 >/secrets/sealing.key.new
    mv /secrets/sealing.key.new /secrets/sealing.key
fi

fail() {
    echo "prepare: $1" >&2
    exit 1
}

# The Ceph beside us, unless .env names another one.
if [ -n "${PURSER_RGW_URL:-}" ]; then
    [ -n "${PURSER_RGW_ACCESS_KEY:-}" ] && [ -n "${PURSER_RGW_SECRET_KEY:-}" ] ||
        fail "PURSER_RGW_URL needs PURSER_RGW_ACCESS_KEY and PURSER_RGW_SECRET_KEY, those of its administrator"
    rgw_url=$PURSER_RGW_URL
    s3_url=${PURSER_S3_URL:-$rgw_url}
    rgw_access_key=$PURSER_RGW_ACCESS_KEY
    rgw_secret_key=$PURSER_RGW_SECRET_KEY
    notification_url=${PURSER_NOTIFICATION_AMQP_URL:-}
    metering=''
else
    rgw_url=http://ceph:8000
    s3_url=${PURSER_S3_URL:-http://127.0.0.1:${PURSER_S3_PORT:-8000}}
    rgw_access_key=$(secret rgw-access-key)
    rgw_secret_key=$(secret rgw-secret-key)
    notification_url=amqp://rgw:$(secret broker-rgw)@rabbitmq/purser
    # Our Ceph writes its usage log every second.
    metering='traffic_interval_seconds = 5\nusage_flush_seconds = 5\n'
fi

# Writes standard input into a file of a volume, for one user or for all who have the volume.
put() { # folder/file, uid or `all`
    cat >"/out/$1.new"
    if [ "$2" = all ]; then
        chmod 444 "/out/$1.new"
    else
        chown "$2" "/out/$1.new"
        chmod 400 "/out/$1.new"
    fi
    mv "/out/$1.new" "/out/$1"
}

# -- PostgreSQL, Ceph, Grafana
secret database-owner | put database/password all
printf 'rgw_access_key=%s\nrgw_secret_key=%s\n' "$rgw_access_key" "$rgw_secret_key" | put ceph/keys all
secret grafana-admin | put grafana/password all

# -- RabbitMQ: loads a folder of definitions in the order of their names, when it starts and they have changed.
user() { # name, tags, configure, write, read
    users="$users${users:+,}{\"name\":\"$1\",\"password\":\"$(secret "broker-$1")\",\"tags\":\"$2\"}"
    permissions="$permissions${permissions:+,}{\"user\":\"$1\",\"vhost\":\"purser\",\"configure\":\"$3\",\"write\":\"$4\",\"read\":\"$5\"}"
}
users='' permissions=''
work='^(amq\\.default|s3\\.(commands|events|parked))$'
user admin administrator '.*' '.*' '.*'
user purser-gateway '' '^$' '^s3\\.(commands|queries)$' '^$'
user php-frontend '' '^$' '^s3\\.(commands|queries)$' '^$'
user purser-provisioner '' '^$' "$work" '^s3\\.provisioner(\\.(queries|events|crowded|parked))?$'
user purser-metering '' '^$' "$work" '^s3\\.metering(\\.(queries|events|crowded|parked|rgw))?$'
user purser-billing '' '^$' "$work" '^s3\\.billing(\\.(queries|events|crowded|parked))?$'
user rgw '' '^amq\\.gen-' '^s3\\.rgw$' '^amq\\.gen-'
printf '{"vhosts":[{"name":"purser"}],"users":[%s],"permissions":[%s]}\n' "$users" "$permissions" |
    put broker/10-users.json all
put broker/20-topology.json all </broker-definitions.json

# -- Purser: each role has its own section only
put_config() { # folder, sections…
    folder=$1
    shift
    {
        for section in "$@"; do
            printf '[%s]\n' "$section"
            case $section in
            database) printf 'url = "postgres://postgres:%s@postgres/purser"\n' "$(secret database-owner)" ;;
            amqp)
                [ "$folder" != operator ] ||
                    printf 'url = "amqp://admin:%s@rabbitmq/purser"\nmanagement_url = "http://rabbitmq:15672"\n' "$(secret broker-admin)"
                ;;
            health) printf 'listen = "0.0.0.0:8080"\n' ;;
            *)
                printf 'amqp_url = "amqp://purser-%s:%s@rabbitmq/purser"\n' "$section" "$(secret "broker-purser-$section")"
                printf 'database_url = "postgres://purser_%s:%s@postgres/purser"\n' "$section" "$(secret "database-$section")"
                ;;
            esac
            case $section in
            gateway) printf 'listen = "0.0.0.0:8080"\n' ;;
            metering) printf "$metering" ;;
            provisioner) printf 'sealing_key_file = "/etc/purser/sealing.key"\n' ;;
            esac
        done
        printf '[locations.%s]\ndefault = true\ns3_url = "%s"\n' "${PURSER_LOCATION:-NL}" "$s3_url"
        case $folder in
        operator | provisioner | metering)
            printf 'rgw_url = "%s"\nadmin_access_key = "%s"\nadmin_secret_key = "%s"\n' "$rgw_url" "$rgw_access_key" "$rgw_secret_key"
            [ -z "$notification_url" ] || printf 'notification_amqp_url = "%s"\n' "$notification_url"
            ;;
        esac
    } | put "$folder/purser.toml" "$PURSER_UID"
    chown "$PURSER_UID" "/out/$folder"
}
put_config operator database amqp gateway provisioner metering billing
put_config gateway amqp gateway
for role in provisioner metering billing; do put_config "$role" amqp "$role" health; done
for folder in operator provisioner; do put "$folder/sealing.key" "$PURSER_UID" </secrets/sealing.key; done
