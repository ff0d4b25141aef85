<?php

declare(strict_types=1);

namespace Purser;

/** Posts with PHP's curl. */
final class CurlPoster implements Poster
{
    private const CONNECT_SECONDS = 2;
    private const SECONDS = 5;

    public function __construct(private readonly string $gatewayUrl)
    {
    }

    public function post(string $path, #[\SensitiveParameter] array $form, string $clientAddress): ?PostReply
    {
        $retryAfter = null;
        $curl = curl_init($this->gatewayUrl . $path);
        curl_setopt_array($curl, [
            CURLOPT_POSTFIELDS => http_build_query($form),
            CURLOPT_HTTPHEADER => ['Accept: application/json', "X-Forwarded-For: $clientAddress"],
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
            CURLOPT_CONNECTTIMEOUT => self::CONNECT_SECONDS,
            CURLOPT_TIMEOUT => self::SECONDS,
            CURLOPT_HEADERFUNCTION => static function ($curl, string $line) use (&$retryAfter): int {
                if (preg_match('/^retry-after:\s*(\d+)\s*$/Di', $line, $parts)) {
                    $retryAfter = $parts[1];
                }

                return strlen($line);
            },
        ]);
        $body = json_decode((string) curl_exec($curl));
        $status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);

        return $body instanceof \stdClass ? new PostReply($status, $body, $retryAfter) : null;
    }
}
