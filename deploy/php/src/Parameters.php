<?php

declare(strict_types=1);

namespace Purser;

/**
 * Parameters from query string, form body and JSON body, read as the gateway reads them.
 *
 * PHP's own $_GET and $_POST are not used: they rename parameters with dots and blanks and cut off what is too much.
 * `key[name]=v` makes an object, `key[]=v` a list; the last of several values wins, and the body wins over the query
 * string, name by name.
 */
final class Parameters
{
    private const PAIRS_MAX = 1000;
    private const DEPTH_MAX = 8;
    private const NAME_BYTES_MAX = 256;
    private const JSON_DEPTH_MAX = 128;
    private const FORM = 'application/x-www-form-urlencoded';

    /**
     * All parameters of a request. Objects in them are stdClass, lists are arrays.
     *
     * @return array<array-key, mixed>
     * @throws Fault where they can't be read
     */
    public static function read(string $query, string $contentType, string $body): array
    {
        return array_replace(self::readForm($query), self::readBody($contentType, $body));
    }

    /**
     * Takes a parameter that is a text. A number counts as one; an empty text counts as absent.
     *
     * @param array<array-key, mixed> $parameters
     */
    public static function takeText(array &$parameters, string $name): ?string
    {
        $value = $parameters[$name] ?? null;
        unset($parameters[$name]);
        if ($value === null || is_string($value)) {
            $text = self::trim($value ?? '');

            return $text === '' ? null : $text;
        }

        return Encoding::json($value);
    }

    /** Without the white space around it; other than PHP's own, it knows that of Unicode and leaves NUL alone. */
    public static function trim(string $text): string
    {
        return preg_replace('/^[\s\x{85}\p{Z}]+|[\s\x{85}\p{Z}]+$/Du', '', $text) ?? $text;
    }

    /** @return array<array-key, mixed> */
    private static function readBody(string $contentType, string $body): array
    {
        if ($body === '') {
            return [];
        }
        $type = strtolower(trim(explode(';', $contentType)[0]));

        return match ($type) {
            self::FORM => self::readForm($body),
            'application/json' => self::readJson($body),
            default => throw new Fault(Answers::unsupportedMediaType(
                'the body must be ' . self::FORM . ' or application/json, not '
                . ($type === '' ? 'without a Content-Type' : mb_substr($type, 0, 80)),
            )),
        };
    }

    /** @return array<array-key, mixed> */
    private static function readJson(string $body): array
    {
        try {
            $value = json_decode($body, false, self::JSON_DEPTH_MAX, JSON_THROW_ON_ERROR);
        } catch (\JsonException $error) {
            throw new Fault(Answers::badRequest("the body is no valid JSON: {$error->getMessage()}"));
        }
        if (!$value instanceof \stdClass) {
            $rule = 'the body must be a JSON object of parameters, for example {"action": "list_plans"}';
            throw new Fault(Answers::badRequest($rule));
        }
        $parameters = (array) $value;

        return count($parameters) > self::PAIRS_MAX ? throw self::tooMany() : $parameters;
    }

    /** @return array<array-key, mixed> */
    private static function readForm(string $form): array
    {
        $pairs = array_filter(explode('&', $form), static fn (string $pair): bool => $pair !== '');
        if (count($pairs) > self::PAIRS_MAX) {
            throw self::tooMany();
        }
        $root = new ParameterTree();
        foreach ($pairs as $pair) {
            [$name, $value] = array_map(self::decode(...), explode('=', $pair, 2) + [1 => '']);
            $path = self::splitName($name);
            if (strlen($name) > self::NAME_BYTES_MAX || count($path) > self::DEPTH_MAX) {
                throw new Fault(Answers::badRequest(sprintf(
                    'names of parameters have at most %d bytes and %d levels of brackets',
                    self::NAME_BYTES_MAX,
                    self::DEPTH_MAX,
                )));
            }
            if ($name !== '') {
                $root->insert($path, $value);
            }
        }

        return $root->entries();
    }

    /** Bytes that are no UTF-8 become U+FFFD. */
    private static function decode(string $text): string
    {
        $before = mb_substitute_character();
        mb_substitute_character(0xfffd);
        $scrubbed = mb_scrub(urldecode($text), 'UTF-8');
        mb_substitute_character($before);

        return $scrubbed;
    }

    /**
     * `a[b][]` is `a`, `b` and an empty part; what doesn't have this form is one name as it stands.
     *
     * @return list<string>
     */
    private static function splitName(string $name): array
    {
        return preg_match('/^([^\[\]]+)((?:\[[^\[\]]*\])+)$/Ds', $name, $parts)
            ? [$parts[1], ...explode('][', substr($parts[2], 1, -1))]
            : [$name];
    }

    private static function tooMany(): Fault
    {
        return new Fault(Answers::badRequest('at most ' . self::PAIRS_MAX . ' parameters are read'));
    }
}
