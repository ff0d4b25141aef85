<?php

declare(strict_types=1);

namespace Purser;

/** Where the broker and the gateway are, and how long to wait for them. Never printed whole: it holds the password. */
final readonly class Config
{
    /**
     * @param list<string> $hosts brokers of one cluster, each `host` or `host:port`, tried in this order
     * @param ?array<string, mixed> $tls PHP's SSL context options (`cafile`, `local_cert`, …), `[]` for those of the
     *     system, null for a connection without TLS
     * @param int $heartbeat seconds; 0 switches it off
     * @param int $replyWaitSeconds how long an answer is waited for, and the most that a caller may ask for
     * @param float $confirmSeconds how long the broker may take to confirm before the connection counts as dead
     * @param float $reconnectSeconds how long a broken connection is tried anew; more for daemons, less for web pages
     * @param list<string> $trustedProxies addresses whose X-Forwarded-For is believed
     */
    public function __construct(
        public array $hosts,
        #[\SensitiveParameter] public string $user,
        #[\SensitiveParameter] public string $password,
        public string $vhost = 'purser',
        public ?array $tls = null,
        public string $gatewayUrl = '',
        public Encoding $encoding = Encoding::MessagePack,
        public string $appId = 'purser-php',
        public int $heartbeat = 30,
        public float $connectSeconds = 3.0,
        public float $confirmSeconds = 5.0,
        public float $reconnectSeconds = 5.0,
        public int $replyWaitSeconds = 25,
        public int $bodyBytesMax = 1_048_576,
        public int $tokenCacheSeconds = 5,
        public array $trustedProxies = [],
    ) {
        if ($hosts === []) {
            throw new \InvalidArgumentException('hosts: at least one is needed, as `host` or `host:port`');
        }
        foreach (compact('user', 'password', 'vhost') as $name => $text) {
            if ($text === '') {
                throw new \InvalidArgumentException("$name: is needed");
            }
        }
        // The client library reads zero as "for ever".
        foreach (compact('connectSeconds', 'confirmSeconds', 'replyWaitSeconds') as $name => $seconds) {
            if ($seconds <= 0) {
                throw new \InvalidArgumentException("$name: must be more than 0");
            }
        }
    }

    /**
     * Reads the settings of a file and of the environment, which wins.
     *
     * @param ?string $file a PHP file that returns an array of settings by the names above, with `amqp_url`,
     *     `password_file` and `encoding` (`msgpack` or `json`) as in README.md
     * @param array<string, string> $environment
     * @throws \InvalidArgumentException that names the setting, never its secret value
     */
    public static function load(?string $file, array $environment): self
    {
        $settings = $file === null ? [] : require $file;
        if (!is_array($settings)) {
            throw new \InvalidArgumentException("$file: must return an array");
        }
        foreach ($environment as $name => $text) {
            if (isset(Settings::ENVIRONMENT[$name]) && $text !== '') {
                $settings[Settings::ENVIRONMENT[$name]] = $text;
            }
        }

        return new self(...Settings::arguments($settings));
    }

    /** @return array<string, mixed> what var_dump shows */
    public function __debugInfo(): array
    {
        return ['hosts' => $this->hosts, 'vhost' => $this->vhost, 'gatewayUrl' => $this->gatewayUrl];
    }
}
