<?php

declare(strict_types=1);

namespace Purser;

/** What came in over HTTP, as far as it matters here. */
final readonly class HttpRequest
{
    /** @param array<string, string> $headers with lower-case names */
    public function __construct(
        public string $method,
        public string $query = '',
        public array $headers = [],
        public string $body = '',
        public string $peer = '',
    ) {
    }

    /**
     * The request that PHP is serving.
     *
     * @param array<string, mixed> $server as $_SERVER
     * @throws Fault where the body is larger than is read
     */
    public static function ofServer(array $server, int $bodyBytesMax): self
    {
        $headers = [];
        foreach ($server as $name => $value) {
            if (str_starts_with((string) $name, 'HTTP_')) {
                $headers[strtolower(strtr(substr($name, 5), '_', '-'))] = (string) $value;
            }
        }
        $headers['content-type'] = (string) ($server['CONTENT_TYPE'] ?? '');
        // Apache keeps the header to itself, and its rewrite rules name it so.
        $headers['authorization'] ??= (string) ($server['REDIRECT_HTTP_AUTHORIZATION'] ?? '');
        $length = (int) ($server['CONTENT_LENGTH'] ?? 0);
        $body = $length > $bodyBytesMax ? '' : (string) file_get_contents('php://input', length: $bodyBytesMax + 1);
        if (max($length, strlen($body)) > $bodyBytesMax) {
            throw new Fault(Answers::bodyTooLarge($bodyBytesMax));
        }
        if ($body === '' && $length > 0) {
            // PHP has taken a multipart body apart already; that it was one is all that matters.
            $body = ' ';
        }

        return new self(
            (string) ($server['REQUEST_METHOD'] ?? 'GET'),
            (string) ($server['QUERY_STRING'] ?? ''),
            $headers,
            $body,
            (string) ($server['REMOTE_ADDR'] ?? ''),
        );
    }

    public function header(string $name): ?string
    {
        return $this->headers[$name] ?? null;
    }

    /** The token of `Authorization: Bearer`. */
    public function bearer(): ?string
    {
        return preg_match('/^\s*bearer\s+(\S.*?)\s*$/Dis', $this->header('authorization') ?? '', $parts)
            ? $parts[1]
            : null;
    }

    /**
     * The caller's address: the peer's, or where the peer is a trusted proxy the last address that none of them has.
     *
     * @param list<string> $trustedProxies
     */
    public function clientAddress(array $trustedProxies): string
    {
        $hops = explode(',', $this->header('x-forwarded-for') ?? '');
        $address = $this->peer;
        while (in_array($address, $trustedProxies, true) && $hops !== []) {
            $before = self::parseAddress(trim(array_pop($hops)));
            if ($before === null) {
                break;
            }
            $address = $before;
        }

        return $address;
    }

    /** An address, perhaps with a port or in brackets. */
    private static function parseAddress(string $entry): ?string
    {
        $bare = preg_replace(['/^\[(.*)\](:\d+)?$/Ds', '/^([\d.]+):\d+$/D'], '$1', $entry);

        return filter_var($bare, FILTER_VALIDATE_IP) === false ? null : $bare;
    }
}
