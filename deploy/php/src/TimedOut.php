<?php

declare(strict_types=1);

namespace Purser;

/** The broker has the message; nobody answered in time. A command is still being worked on. */
final class TimedOut extends PublishError
{
}
