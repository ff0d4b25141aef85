<?php

declare(strict_types=1);

namespace Purser;

use PhpAmqpLib\Connection\AbstractConnection;
use PhpAmqpLib\Connection\AMQPConnectionConfig;
use PhpAmqpLib\Connection\AMQPSSLConnection;
use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPExceptionInterface;

/** Opens connections to the first broker that answers. */
final class Connector
{
    /** The broker that answered last; it is asked first next time. */
    private int $first = 0;

    public function __construct(private readonly Config $config)
    {
    }

    /**
     * @param float $until the moment (microtime) after which no further broker is tried
     * @throws AMQPExceptionInterface of the last broker that was tried
     */
    public function open(float $until): AbstractConnection
    {
        $count = count($this->config->hosts);
        for ($tried = 1;; $tried++) {
            try {
                return $this->openOne($this->config->hosts[$this->first]);
            } catch (AMQPExceptionInterface $error) {
                $this->first = ($this->first + 1) % $count;
                if ($tried >= $count || microtime(true) > $until) {
                    throw $error;
                }
            }
        }
    }

    private function openOne(string $host): AbstractConnection
    {
        [$name, $port] = self::split($host, $this->config->tls === null ? 5672 : 5671);
        $seconds = $this->config->connectSeconds;
        $named = new AMQPConnectionConfig();
        $named->setConnectionName($this->config->appId . ' ' . gethostname() . ':' . getmypid());
        $who = [$this->config->user, $this->config->password, $this->config->vhost];
        $connection = $this->config->tls === null
            ? new AMQPStreamConnection(
                $name,
                $port,
                ...$who,
                connection_timeout: $seconds,
                read_write_timeout: $seconds,
                heartbeat: $this->config->heartbeat,
                channel_rpc_timeout: $seconds,
                config: $named,
            )
            : new AMQPSSLConnection(
                $name,
                $port,
                ...$who,
                ssl_options: $this->config->tls + ['verify_peer' => true, 'peer_name' => $name],
                options: [
                    'connection_timeout' => $seconds,
                    'read_write_timeout' => $seconds,
                    'heartbeat' => $this->config->heartbeat,
                    'channel_rpc_timeout' => $seconds,
                ],
                config: $named,
            );
        // At a process's end a dead broker must not hold it up; Session closes what is alive.
        $connection->set_close_on_destruct(false);

        return $connection;
    }

    /** @return array{string, int} */
    private static function split(string $host, int $port): array
    {
        return preg_match('/^(.+):(\d+)$/D', $host, $parts) ? [$parts[1], (int) $parts[2]] : [$host, $port];
    }
}
