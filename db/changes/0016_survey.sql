-- survey_work says more than the function that it takes the place of, and under another name.
DROP FUNCTION IF EXISTS long_task.quiet_for(integer, integer);
